-- Every statement inside every function comes back as a notice, with its plan and how long it took.
load 'auto_explain';
set auto_explain.log_min_duration = 0;
set auto_explain.log_nested_statements = on;
set auto_explain.log_analyze = {{ analyze }};
set auto_explain.log_timing = {{ analyze }};
set auto_explain.log_level = 'notice';
set client_min_messages = 'notice';
