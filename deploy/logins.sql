-- The logins of a fleet and what each may do, after `orchestrator db migrate`. May be run again: it sets the passwords anew.
-- psql takes them from its environment, where no process list and no log shows them.
\getenv driver_password DRIVER_PASSWORD
\getenv http_password HTTP_PASSWORD
\getenv worker_password WORKER_PASSWORD

set log_statement = 'none';
set log_min_duration_statement = -1;
set log_min_error_statement = 'panic';

select format('create role %I login', l.login)
from (values ('orchestrator_driver'), ('orchestrator_http'), ('orchestrator_fingerv7')) as l(login)
where not exists (select from pg_roles as r where r.rolname = l.login)
\gexec

grant orchestrator_admin to orchestrator_driver;
-- with orchestrator_admin as well, POST /rebalance works
grant orchestrator_worker, orchestrator_reader to orchestrator_http;
grant orchestrator_worker to orchestrator_fingerv7;

alter role orchestrator_driver password :'driver_password';
alter role orchestrator_http password :'http_password';
alter role orchestrator_fingerv7 password :'worker_password';
