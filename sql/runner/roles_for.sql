{% include 'runner/roles.sql' %}
-- So that this login can migrate.
grant {{ owner }} to {{ quoted_login }};
