-- A stream that is removed and added again has a new id. The instance that was hearing it may still be hearing its address.
alter table {{ private }}.withdrawal add column url text;
comment on column {{ private }}.withdrawal.url is 'Its address, once the stream itself is removed: one that is added with the same address waits as this one would.';
create index withdrawal_by_url on {{ private }}.withdrawal (md5(url)) where url is not null;
