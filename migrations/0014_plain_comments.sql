-- Comments of earlier migrations, in plain sentences.

comment on column {{ private }}.instance.lease is 'The instance''s own limit of silence instead of heartbeat_timeout; no rule declares it lost before.';
comment on column {{ private }}.instance.suspended_until is 'A planned restart: no rule declares the instance lost before.';
comment on column {{ private }}.instance.probation_until is 'It came and went too often: until then it gets streams only when no other has room.';
comment on column {{ private }}.alert.event_id is 'The decision or job run that it is about, else what opened it. Null: before there were any.';
comment on column {{ private }}.alert.reminders is 'How often it was told again while it was not acknowledged.';
comment on table {{ private }}.source is 'Where streams come from. No password is kept here: libpq finds it in the environment or the password file of the program that synchronises.';
comment on column {{ private }}.http_session.address is 'Where it registered from; a client that registers from there again is the same one, started anew.';
comment on table {{ private }}.movement is 'One stream''s change of hands, append-only. It is written when the hands change, so a planned hand-over appears when the owner has let go. to_instance_id is null when it has no owner afterwards.';
