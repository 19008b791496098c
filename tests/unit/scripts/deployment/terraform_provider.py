"""What Terraform's AWS provider takes and tells, as its documents say: data, by resource, then by block within it.

Copied from the "Argument Reference" and "Attribute Reference" of each page; a block's arguments stand under its path.
Names of arguments that later versions have added may be missing; none that is here has been removed.
"""

from __future__ import annotations

#: The page of a resource, without its `aws_`; of a data source `/d/` instead of `/r/`.
PAGE = "https://github.com/hashicorp/terraform-provider-aws/blob/main/website/docs/r/{}.html.markdown"
#: Of Terraform itself: https://developer.hashicorp.com/terraform/language/meta-arguments
META = {"depends_on", "lifecycle"}
#: Arguments whose names are the user's own.
MAPS = {("aws_lambda_function", "environment.variables"), ("aws_lambda_function", "tags")}

ARGUMENTS: dict[str, dict[str, str]] = {
    "aws_lambda_function": {
        "": "function_name role architectures code_signing_config_arn dead_letter_config description environment "
        "ephemeral_storage file_system_config filename handler image_config image_uri kms_key_arn layers memory_size "
        "package_type publish reserved_concurrent_executions replace_security_groups_on_destroy "
        "replacement_security_group_ids runtime s3_bucket s3_key s3_object_version skip_destroy source_code_hash "
        "snap_start tags timeout tracing_config vpc_config",
        "environment": "variables",
        "ephemeral_storage": "size",
        "tracing_config": "mode",
        "vpc_config": "security_group_ids subnet_ids",
    },
    "aws_lambda_function_event_invoke_config": {
        "": "function_name destination_config maximum_event_age_in_seconds maximum_retry_attempts qualifier",
        "destination_config": "on_failure on_success",
        "destination_config.on_failure": "destination",
    },
    "aws_lambda_function_recursion_config": {"": "function_name recursive_loop"},
    "aws_lambda_permission": {
        "": "action event_source_token function_name function_url_auth_type principal qualifier source_account "
        "source_arn statement_id statement_id_prefix principal_org_id",
    },
    "aws_iam_role": {
        "": "assume_role_policy description force_detach_policies inline_policy managed_policy_arns "
        "max_session_duration name name_prefix path permissions_boundary tags",
    },
    "aws_iam_role_policy": {"": "name name_prefix policy role"},
    "aws_cloudwatch_log_group": {"": "name name_prefix retention_in_days kms_key_id tags"},
    "aws_cloudwatch_event_rule": {
        "": "name name_prefix schedule_expression event_bus_name event_pattern description role_arn is_enabled tags",
    },
    "aws_cloudwatch_event_target": {
        "": "rule target_id arn input input_path role_arn run_command_targets ecs_target input_transformer",
    },
    "aws_s3_bucket": {"": "bucket bucket_prefix tags force_destroy"},
    "aws_s3_bucket_public_access_block": {
        "": "region bucket block_public_acls block_public_policy ignore_public_acls restrict_public_buckets "
        "skip_destroy",
    },
    "aws_s3_bucket_server_side_encryption_configuration": {
        "": "bucket expected_bucket_owner rule",
        "rule": "apply_server_side_encryption_by_default bucket_key_enabled",
        "rule.apply_server_side_encryption_by_default": "sse_algorithm kms_master_key_id",
    },
    "aws_s3_bucket_policy": {"": "bucket policy"},
    "aws_s3_bucket_lifecycle_configuration": {
        "": "bucket expected_bucket_owner rule",
        "rule": "abort_incomplete_multipart_upload expiration filter id noncurrent_version_expiration "
        "noncurrent_version_transition prefix status transition",
        "rule.abort_incomplete_multipart_upload": "days_after_initiation",
        "rule.expiration": "date days expired_object_delete_marker",
        "rule.filter": "and object_size_greater_than object_size_less_than prefix tag",
    },
    "aws_s3_bucket_notification": {
        "": "bucket eventbridge lambda_function queue topic",
        "lambda_function": "events filter_prefix filter_suffix id lambda_function_arn",
    },
}

#: Those without which the provider refuses the resource; of a block, if the block is there.
REQUIRED: dict[str, dict[str, str]] = {
    "aws_lambda_function": {
        "": "function_name role", "ephemeral_storage": "size", "tracing_config": "mode",
        "vpc_config": "security_group_ids subnet_ids",
    },
    "aws_lambda_function_event_invoke_config": {
        "": "function_name", "destination_config.on_failure": "destination",
    },
    "aws_lambda_function_recursion_config": {"": "function_name recursive_loop"},
    "aws_lambda_permission": {"": "action function_name principal"},
    "aws_iam_role": {"": "assume_role_policy"},
    "aws_iam_role_policy": {"": "policy role"},
    "aws_cloudwatch_event_target": {"": "rule arn"},
    "aws_s3_bucket_public_access_block": {"": "bucket"},
    "aws_s3_bucket_server_side_encryption_configuration": {
        "": "bucket rule", "rule.apply_server_side_encryption_by_default": "sse_algorithm",
    },
    "aws_s3_bucket_policy": {"": "bucket policy"},
    "aws_s3_bucket_lifecycle_configuration": {"": "bucket rule", "rule": "id status"},
    "aws_s3_bucket_notification": {"": "bucket", "lambda_function": "events lambda_function_arn"},
}  # fmt: skip

#: What others may refer to, beside the arguments.
ATTRIBUTES = {
    "aws_lambda_function": "arn",
    "aws_iam_role": "arn id",
    "aws_s3_bucket": "id arn",
    "aws_cloudwatch_event_rule": "id arn",
    "data.aws_partition": "partition",
    "data.aws_region": "region description",
    "data.aws_caller_identity": "account_id arn user_id",
}
