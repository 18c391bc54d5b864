-- The digest of a set of streams: the same sum on both sides of the wire, so that one number says whether they agree.
-- xor over (stream_id, epoch) of the first 8 bytes of md5('stream_id:epoch') as a signed big-endian integer; empty set 0.

create or replace function {{ private }}.digest_of(p_stream_id bigint, p_epoch bigint)
    returns bigint
    language sql immutable strict parallel safe
begin atomic
    select ('x' || substr(md5(p_stream_id::text || ':' || p_epoch::text), 1, 16))::bit(64)::bigint;
end;
comment on function {{ private }}.digest_of(bigint, bigint) is 'What one stream adds to a digest.';
