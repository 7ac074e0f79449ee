-- The keys that open the service, and the trail of who did what.

create table api_keys (
    -- 12 hexadecimal digits.
    id           text collate "C" primary key,
    name         text,
    role         text collate "C" not null,
    secret_hash  bytea not null,
    created_at   timestamptz not null,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);

-- What the service signs with.
create table signing_secret (
    singleton boolean primary key default true check (singleton),
    secret    bytea not null
);

create table audit (
    sequence      bigint primary key,
    at            timestamptz not null,
    actor         text collate "C" not null,
    address       text not null,
    request_id    text not null,
    action        text collate "C" not null,
    target        text not null,
    outcome       text not null,
    previous_hash bytea not null,
    hash          bytea not null
);

-- The last entry. Its row is locked by whoever adds entries, as the last thing before the commit,
-- so that sequences have no gaps and become visible in their order.
create table audit_head (
    singleton boolean primary key default true check (singleton),
    sequence  bigint not null default 0,
    hash      bytea not null default decode(repeat('00', 32), 'hex')
) with (fillfactor = 20);
insert into audit_head default values;
