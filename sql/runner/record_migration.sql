insert into {{ private }}.schema_migration (version, name, checksum, applied_at, applied_by)
values ({{ version }}, {{ quoted_name }}, {{ quoted_checksum }}, transaction_timestamp(), session_user);
