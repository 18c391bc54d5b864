-- Hosts that were written for the older client start streams and stop none, also when they are workers now. Such a worker says
-- so when it registers, and no stream is moved off it while it lives.
alter table {{ private }}.instance
    add column keeps_streams boolean not null generated always as (
        placement = 'pull' or coalesce(metadata -> 'keeps_streams' = 'true', false)
    ) stored;
comment on column {{ private }}.instance.keeps_streams is 'It hears on what is taken from it: a client that is given streams in the answer to its own ask only, or a worker that said so when it registered (metadata key "keeps_streams"). Nothing is moved off it while it lives.';
