"""How a bucket that a deployment makes is protected. Pure."""

from __future__ import annotations

from .target import Json

#: A bucket's block of public access.
PRIVATE = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


def encryption(kms_key: str) -> Json:
    """A bucket's default encryption. A bucket key saves a request to KMS for each object."""
    if not kms_key:
        return {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    return {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": kms_key},
        "BucketKeyEnabled": True,
    }


def tls_only(bucket: str, partition: str = "aws") -> Json:
    """A bucket policy that refuses requests over plain HTTP; `partition` is `aws`, `aws-cn`, ...: S3 checks it."""
    bucket_arn = f"arn:{partition}:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [bucket_arn, f"{bucket_arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }
