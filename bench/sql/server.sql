-- What is measured on.
select
    version() as server,
    current_setting('shared_buffers') as shared_buffers,
    current_setting('fsync') as fsync,
    current_setting('synchronous_commit') as synchronous_commit
