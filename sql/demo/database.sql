-- The demo's database of results, beside the orchestrator's and on the same server.
create database music_log
