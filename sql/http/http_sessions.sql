-- What the HTTP face remembers of an instance that never LISTENs, and how the words of such a client are understood.
-- It plays the part that the shim plays in a worker's process: it knows what the instance was told and what it has confirmed,
-- and speaks the ordinary protocol for it. The client itself says how many streams it has, or which.
--   told      it was told to start this stream             counts as its own once confirmed
--   running   it has confirmed that
--   taken     it was told to stop this stream              forgotten once confirmed
--   stray     from before it registered again, and not its own now: it is told to stop it, in case it still runs
-- Lock order: the rows here come last, after everything that the protocol's functions lock.
-- Locks     decision (to confirm); then instance, assignment, at last http_session, http_stream
-- Writes    http_session, http_stream; what acknowledge and report_streams write

create or replace function {{ private }}.http_session_of(p_instance_id text)
    returns {{ private }}.http_session
    language plpgsql volatile
as $function$
declare
    v_session {{ private }}.http_session;
begin
    select s.* into v_session
    from {{ private }}.http_session as s
    join {{ private }}.instance as i on i.instance_id = s.instance_id and i.incarnation = s.incarnation
    where s.instance_id = p_instance_id and i.status <> 'removed';
    if not found then
        raise exception using
            errcode = 'OR103',
            message = 'unknown instance',
            detail = jsonb_build_object('instance_id', p_instance_id)::text,
            hint = 'register it first';
    end if;
    return v_session;
end
$function$;
comment on function {{ private }}.http_session_of(text) is 'The session of an instance whose last registration came over HTTP; else OR103, upon which a client registers.';

create or replace function {{ private }}.http_interval()
    returns interval
    language sql volatile
as $function$
    -- told with one beat, done and confirmed with the next: both have to fit into handoff_timeout
    select least({{ private }}.setting_interval('heartbeat_interval'), {{ private }}.setting_interval('handoff_timeout') / 3)
$function$;
comment on function {{ private }}.http_interval() is 'How often an instance that hears of changes with its beats only should beat.';

create or replace function {{ private }}.http_digest(p_instance_id text)
    returns bigint
    language sql volatile
as $function$
    select coalesce(bit_xor({{ private }}.digest_of(r.stream_id, r.epoch)), 0)
    from {{ private }}.http_stream as r
    where r.instance_id = p_instance_id and r.state in ('running', 'taken')
$function$;
comment on function {{ private }}.http_digest(text) is 'The digest of what an HTTP instance runs, as far as it has confirmed it.';

create or replace function {{ private }}.http_difference(p_instance_id text)
    returns table (action text, stream_id bigint, epoch bigint)
    language sql volatile
as $function$
    select 'remove', r.stream_id, r.epoch
    from {{ private }}.http_stream as r
    where r.instance_id = p_instance_id
        and not exists (
            select from {{ private }}.assignment as a
            where a.stream_id = r.stream_id and a.instance_id = p_instance_id and a.state <> 'releasing'
        )
    union all
    -- it never heard of these, but their next owners wait for its word
    select 'remove', a.stream_id, a.epoch
    from {{ private }}.assignment as a
    where a.instance_id = p_instance_id
        and a.state = 'releasing'
        and not exists (select from {{ private }}.http_stream as r where r.instance_id = p_instance_id and r.stream_id = a.stream_id)
    union all
    select 'add', a.stream_id, a.epoch
    from {{ private }}.assignment as a
    where a.instance_id = p_instance_id
        and a.state <> 'releasing'
        and not exists (
            select from {{ private }}.http_stream as r
            where r.instance_id = p_instance_id and r.stream_id = a.stream_id and r.epoch = a.epoch and r.state = 'running'
        )
$function$;
comment on function {{ private }}.http_difference(text) is 'What separates an HTTP instance from what it should run; what it was told and has not confirmed is among it.';

create or replace function {{ private }}.http_note_added(p_instance_id text, p_stream_ids bigint[])
    returns void
    language sql volatile
as $function$
    insert into {{ private }}.http_stream as r (instance_id, stream_id, epoch, state)
    select p_instance_id, a.stream_id, a.epoch, 'told'
    from {{ private }}.assignment as a
    where a.instance_id = p_instance_id and a.stream_id = any(p_stream_ids)
    order by a.stream_id
    on conflict (instance_id, stream_id) do update
    set
        epoch = excluded.epoch,
        state = 'told',
        unconfirmed_beats = case when r.state = 'told' and r.epoch = excluded.epoch then r.unconfirmed_beats else 0 end
$function$;
comment on function {{ private }}.http_note_added(text, bigint[]) is 'It is being told to start these.';

create or replace function {{ private }}.http_note_removed(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[])
    returns void
    language sql volatile
as $function$
    insert into {{ private }}.http_stream as r (instance_id, stream_id, epoch, state)
    select p_instance_id, u.stream_id, u.epoch, 'taken'
    from unnest(p_stream_ids, p_epochs) as u(stream_id, epoch)
    order by u.stream_id
    on conflict (instance_id, stream_id) do update
    set
        epoch = greatest(r.epoch, excluded.epoch),
        state = case when r.state = 'stray' then 'stray' else 'taken' end,
        unconfirmed_beats = case when r.state in ('taken', 'stray') then r.unconfirmed_beats else 0 end
$function$;
comment on function {{ private }}.http_note_removed(text, bigint[], bigint[]) is 'It is being told to stop these.';

create or replace function {{ private }}.http_note_registered(p_instance_id text, p_incarnation bigint, p_dialect text, p_address text)
    returns void
    language plpgsql volatile
as $function$
begin
    insert into {{ private }}.http_session as s (instance_id, incarnation, dialect, address, registered_at)
    values (p_instance_id, p_incarnation, p_dialect, p_address, {{ private }}.now())
    on conflict (instance_id) do update
    set incarnation = excluded.incarnation, dialect = excluded.dialect, address = excluded.address, registered_at = excluded.registered_at;
    -- a new process has nothing; one that only registers again may still run what it had
    delete from {{ private }}.http_stream as r
    where r.instance_id = p_instance_id and r.stream_id = any({{ private }}.own_streams(p_instance_id));
    update {{ private }}.http_stream as r
    set state = 'stray', unconfirmed_beats = 0
    where r.instance_id = p_instance_id;
end
$function$;
comment on function {{ private }}.http_note_registered(text, bigint, text, text) is 'A client has registered over HTTP and begins with nothing.';

create or replace function {{ private }}.http_adopt(p_session {{ private }}.http_session, p_stream_ids bigint[])
    returns void
    language plpgsql volatile
as $function$
declare
    v_instance_id text := (p_session).instance_id;
    v_epochs bigint[];
begin
    if p_stream_ids = array(select r.stream_id from {{ private }}.http_stream as r where r.instance_id = v_instance_id order by r.stream_id)
        and not exists (select from {{ private }}.http_stream as r where r.instance_id = v_instance_id and r.state <> 'running')
        and not exists (select from {{ private }}.assignment as a where a.instance_id = v_instance_id and a.state = 'releasing')
    then
        return;
    end if;
    -- the client knows no epochs: what is its own now it runs under the present one
    v_epochs := array(
        select coalesce(a.epoch, r.epoch, 0)
        from unnest(p_stream_ids) with ordinality as u(stream_id, place)
        left join {{ private }}.assignment as a on a.stream_id = u.stream_id and a.instance_id = v_instance_id
        left join {{ private }}.http_stream as r on r.stream_id = u.stream_id and r.instance_id = v_instance_id
        order by u.place
    );
    perform c.action from {{ private }}.reconcile(v_instance_id, (p_session).incarnation, p_stream_ids, v_epochs) as c;
    delete from {{ private }}.http_stream as r where r.instance_id = v_instance_id and r.stream_id <> all(p_stream_ids);
    insert into {{ private }}.http_stream as r (instance_id, stream_id, epoch, state)
    select v_instance_id, u.stream_id, u.epoch, 'running'
    from unnest(p_stream_ids, v_epochs) as u(stream_id, epoch)
    order by u.stream_id
    on conflict (instance_id, stream_id) do update
    set epoch = excluded.epoch, state = 'running', unconfirmed_beats = 0;
end
$function$;
comment on function {{ private }}.http_adopt({{ private }}.http_session, bigint[]) is 'The client says which streams it has: all that it was told is confirmed or denied by that.';

create or replace function {{ private }}.http_confirm(p_session {{ private }}.http_session, p_count bigint)
    returns void
    language plpgsql volatile
as $function$
declare
    v_instance_id text := (p_session).instance_id;
    v_told record;
    v_fits boolean;
    v_confirmed record;
begin
    select
        count(*) filter (where r.state in ('told', 'running')) as expected,
        count(*) filter (where r.state in ('running', 'taken')) as before,
        coalesce(bool_or(r.state <> 'running'), false) as is_pending
    into v_told
    from {{ private }}.http_stream as r
    where r.instance_id = v_instance_id;
    v_fits := p_count is null or p_count = v_told.expected;
    if not v_told.is_pending then
        return;
    elsif not v_fits and p_count = v_told.before then
        -- it did nothing of what it was told, or never heard it
        delete from {{ private }}.http_stream as r where r.instance_id = v_instance_id and r.state = 'told';
        return;
    end if;

    -- a number that fits confirms; one that never does has been said three times after three answers, which is all there will be
    select
        array_agg(r.stream_id order by r.stream_id) filter (where r.state = 'told') as started,
        array_agg(r.epoch order by r.stream_id) filter (where r.state = 'told') as epochs,
        array_agg(r.stream_id order by r.stream_id) filter (where r.state <> 'told') as stopped,
        array_agg(r.epoch order by r.stream_id) filter (where r.state <> 'told') as stopped_epochs
    into v_confirmed
    from {{ private }}.http_stream as r
    where r.instance_id = v_instance_id and r.state <> 'running' and (v_fits or r.unconfirmed_beats >= 2);
    if coalesce(v_confirmed.started, v_confirmed.stopped) is not null then
        perform a.ignored
        from {{ private }}.apply_acknowledgement(
            v_instance_id, (p_session).incarnation, coalesce(v_confirmed.started, '{}'), coalesce(v_confirmed.epochs, '{}'),
            coalesce(v_confirmed.stopped, '{}'), '[]', coalesce(v_confirmed.stopped_epochs, '{}')
        ) as a;
    end if;
    delete from {{ private }}.http_stream as r where r.instance_id = v_instance_id and r.stream_id = any(v_confirmed.stopped);
    update {{ private }}.http_stream as r
    set
        state = case when r.stream_id = any(v_confirmed.started) then 'running' else r.state end,
        unconfirmed_beats = case when r.stream_id = any(v_confirmed.started) then 0 else r.unconfirmed_beats + 1 end
    where r.instance_id = v_instance_id and r.state <> 'running';
end
$function$;
comment on function {{ private }}.http_confirm({{ private }}.http_session, bigint) is 'The client says how many streams it has (null: it does not say): whether that confirms what it was told.';

create or replace function {{ private }}.http_hear(p_session {{ private }}.http_session, p_stream_ids bigint[], p_count bigint)
    returns void
    language plpgsql volatile
as $function$
begin
    if p_stream_ids is not null then
        perform {{ private }}.http_adopt(p_session, p_stream_ids);
        return;
    end if;
    perform {{ private }}.http_confirm(p_session, p_count);
exception
    when lock_not_available then
        null; -- a long decision is under way: the beat counts all the same, and the next one confirms
end
$function$;
comment on function {{ private }}.http_hear({{ private }}.http_session, bigint[], bigint) is 'Understand what a beat says of its streams: which, or how many, or nothing.';

create or replace function {{ private }}.http_commands(p_instance_id text, p_count bigint)
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_add bigint[];
    v_remove bigint[];
    v_epochs bigint[];
    v_kept bigint;
begin
    select
        coalesce(array_agg(d.stream_id order by d.stream_id) filter (where d.action = 'add'), '{}'),
        coalesce(array_agg(d.stream_id order by d.stream_id) filter (where d.action = 'remove'), '{}'),
        coalesce(array_agg(d.epoch order by d.stream_id) filter (where d.action = 'remove'), '{}')
    into v_add, v_remove, v_epochs
    from {{ private }}.http_difference(p_instance_id) as d;
    select count(*) into v_kept
    from {{ private }}.http_stream as r
    where r.instance_id = p_instance_id and r.state = 'running' and r.stream_id <> all(v_add) and r.stream_id <> all(v_remove);
    if v_kept + cardinality(v_add) = p_count and cardinality(v_add) > 0 and cardinality(v_remove) > 0 then
        -- a number cannot confirm what leaves it as it was: one of them waits for the next beat
        v_add := v_add[:cardinality(v_add) - 1];
    end if;
    delete from {{ private }}.http_stream as r where r.instance_id = p_instance_id and r.state = 'told' and r.stream_id <> all(v_add);
    perform {{ private }}.http_note_removed(p_instance_id, v_remove, v_epochs);
    perform {{ private }}.http_note_added(p_instance_id, v_add);
    return (
        select coalesce(
            jsonb_agg(jsonb_build_object('type', 'stream_update', 'stream_id', c.stream_id, 'action', c.action) order by c.place), '[]'
        )
        from (
            select u.stream_id, 'remove' as action, u.place from unnest(v_remove) with ordinality as u(stream_id, place)
            union all
            select u.stream_id, 'add', cardinality(v_remove) + u.place from unnest(v_add) with ordinality as u(stream_id, place)
        ) as c
    );
end
$function$;
comment on function {{ private }}.http_commands(text, bigint) is 'The commands that a beat is answered with: removes first, then adds; remembers that they were said. p_count: the number that the beat told, null when it told more or nothing.';
