-- The life of an assignment, as data.

delete from {{ private }}.assignment_transition;
insert into {{ private }}.assignment_transition (from_state, to_state, event, meaning)
values
('unknown', 'waiting', 'add', 'a new stream'),
('unknown', 'idle', 'add', 'a new stream that is not active'),
('idle', 'waiting', 'activate', 'it is to be heard'),
('waiting', 'idle', 'withdraw', 'it is no longer to be heard'),
('assigned', 'idle', 'withdraw', 'it is no longer to be heard: taken from its owner at once'),
('running', 'idle', 'withdraw', 'it is no longer to be heard: taken from its owner at once'),
('releasing', 'idle', 'withdraw', 'it is no longer to be heard: taken from its owner at once'),
('waiting', 'assigned', 'place', 'an instance has room for it'),
('assigned', 'running', 'start', 'its owner has started it'),
('running', 'assigned', 'restart', 'its owner had stopped it when its hand-over was called off, and is to start it again'),
('assigned', 'assigned', 'reassign', 'its owner is gone or gave it back: to another one at once'),
('running', 'assigned', 'reassign', 'its owner is gone or gave it back: to another one at once'),
('releasing', 'assigned', 'reassign', 'its owner is gone or gave it back, and it goes to another one than was meant'),
('assigned', 'waiting', 'unassign', 'its owner is gone or gave it back, and no other has room'),
('running', 'waiting', 'unassign', 'its owner is gone or gave it back, and no other has room'),
('releasing', 'waiting', 'unassign', 'its owner has stopped, and the next one is gone or full'),
('assigned', 'releasing', 'hand over', 'balanced, drained or moved: its owner is asked to stop'),
('running', 'releasing', 'hand over', 'balanced, drained or moved: its owner is asked to stop, or its next one to prepare'),
('releasing', 'releasing', 'redirect', 'another one than before is to get it'),
('releasing', 'releasing', 'fall back', 'the next owner did not prepare it in time: the owner is asked to stop'),
('releasing', 'running', 'call off', 'the next owner is not to be: its owner keeps it'),
('releasing', 'assigned', 'complete', 'its owner has stopped or took too long, or the next one hears it: the next one is the owner'),
('assigned', 'assigned', 'renew', 'a new process of its owner, a new url or a new generation: same owner, new epoch'),
('running', 'assigned', 'renew', 'a new process of its owner, or a new url: same owner, new epoch'),
('releasing', 'releasing', 'renew', 'a new url during its hand-over, or a new generation: same owner, new epoch'),
('running', 'running', 'adopt', 'a new generation, or its owner was shown a later epoch: it goes on under a new one');
