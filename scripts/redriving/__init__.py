"""Bad records that a run set aside: reading and showing them, and running them again."""
