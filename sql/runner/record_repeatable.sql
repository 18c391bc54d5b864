insert into {{ private }}.schema_repeatable (path, checksum, applied_at)
values ({{ quoted_path }}, {{ quoted_checksum }}, transaction_timestamp());
