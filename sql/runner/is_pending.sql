select not exists (select from {{ private }}.schema_migration as m where m.version = {{ version }}) as is_pending
