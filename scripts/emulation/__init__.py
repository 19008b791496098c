"""MiniStack, the AWS emulator, started and stopped."""
