-- Some clients that ask for their streams compare their list with what the books say, and stop what is not theirs any more. An
-- administrator may say so of an instance; then its streams can be moved while it lives.
alter table {{ private }}.pull_client
    drop constraint kind_of_client_is_known,
    add constraint kind_of_client_is_known check (kind in ('plain', 'first_answer_only', 'comparing'));
comment on column {{ private }}.pull_client.kind is 'plain: starts what any answer names. first_answer_only: starts the streams of its first answer, and one of a later one at most. comparing: plain, and stops what is not its own any more, which only an administrator can say. Null: not known yet.';

alter table {{ private }}.instance
    drop column keeps_streams,
    add column stops_streams boolean not null default false;
comment on column {{ private }}.instance.stops_streams is 'An administrator has said that this client, which asks for its streams, stops what is taken from it.';
alter table {{ private }}.instance
    add column keeps_streams boolean not null generated always as (
        (placement = 'pull' and not stops_streams) or coalesce(metadata -> 'keeps_streams' = 'true', false)
    ) stored;
comment on column {{ private }}.instance.keeps_streams is 'It hears on what is taken from it: a client that is given streams in the answer to its own ask only, unless an administrator has said that it stops what is taken from it; or a worker that said so when it registered (metadata key "keeps_streams"). Nothing is moved off it while it lives.';
