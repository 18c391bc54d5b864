-- The life of an assignment as data, as that of an instance is.

create table {{ private }}.assignment_transition (
    from_state text not null,
    to_state text not null,
    event text not null,
    meaning text not null,
    constraint assignment_transition_pkey primary key (from_state, to_state, event),
    constraint states_are_known check (
        from_state in ('unknown', 'idle', 'waiting', 'assigned', 'running', 'releasing')
        and to_state in ('idle', 'waiting', 'assigned', 'running', 'releasing')
    )
);
comment on table {{ private }}.assignment_transition is 'The life of an assignment as data: one row per allowed step. Enforced by a trigger on assignment, which names each step by what changed.';
comment on column {{ private }}.assignment_transition.from_state is 'unknown: the assignment is new.';
comment on column {{ private }}.assignment_transition.event is 'The kind of step. Several lead from one state to another; the owner, the next owner and the epoch tell them apart.';
