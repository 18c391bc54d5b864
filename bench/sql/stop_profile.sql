-- Back to work.
set auto_explain.log_min_duration = -1;
