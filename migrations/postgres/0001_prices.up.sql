-- Prices, their versions, the log of changes, averages and dead letters; what is remembered about
-- providers, and polling jobs.
--
-- Texts compare by their bytes (collate "C"), so that order and identity do not depend on the
-- language of the server.

-- The last number given to a price, to a log entry and to a dead letter. They are moved with setval
-- by writers that hold the writers' lock (see the module documentation of the store), so numbers
-- become visible in their order; a transaction that failed leaves a gap. Not columns of a table: a
-- row that every transaction updates grows without end while a backup keeps old versions alive.
-- Price ids stay below 2^53, so that every JSON reader keeps them exactly.
create sequence last_price_id as bigint minvalue 0 start 0 maxvalue 9007199254740991;
create sequence last_sequence as bigint minvalue 0 start 0;
create sequence last_dead_letter_id as bigint minvalue 0 start 0;

-- One row: entries of the log up to here may have been cut off.
create table log_bounds (
    singleton boolean primary key default true check (singleton),
    log_start bigint not null default 0
) with (fillfactor = 20);
insert into log_bounds default values;

-- Proof that the database takes writes, beside the prices so that it waits for nobody.
create table checks (
    singleton  boolean primary key default true check (singleton),
    checked_at timestamptz
) with (fillfactor = 20);
insert into checks default values;

-- Symbols that have or had a price.
create table symbols (
    symbol text collate "C" primary key
);

-- The current version of every price, deleted ones included: their key may come back.
create table prices (
    id          bigint not null,
    version     integer not null,
    symbol      text collate "C" not null,
    provider    text collate "C" not null,
    observed_at timestamptz not null,
    external_id text collate "C" not null,
    price       numeric not null,
    volume      numeric,
    currency    text collate "C" not null,
    received_at timestamptz not null,
    time_source smallint not null,
    raw         text,
    deleted     boolean not null,
    primary key (id, observed_at)
) partition by range (observed_at);

-- The natural key, in the order in which a symbol's prices are read.
create unique index prices_natural_key on prices (symbol, observed_at, provider, external_id);
create index prices_by_time on prices (observed_at, id);

-- A partition a year. There is no default partition: without one PostgreSQL knows that the
-- partitions lie in order, and reads "the newest of a symbol" from the last one that has any.
create table prices_before_2015 partition of prices for values from (minvalue) to ('2015-01-01 00:00:00+00');
do $$
begin
    for year in 2015..2039 loop
        execute format(
            'create table prices_%s partition of prices for values from (%L) to (%L)',
            year, year || '-01-01 00:00:00+00', year + 1 || '-01-01 00:00:00+00');
    end loop;
end
$$;
create table prices_from_2040 partition of prices for values from ('2040-01-01 00:00:00+00') to (maxvalue);

-- Versions that were corrected, deleted or, after a deletion, recorded again.
create table price_versions (
    id            bigint not null,
    version       integer not null,
    symbol        text collate "C" not null,
    provider      text collate "C" not null,
    observed_at   timestamptz not null,
    external_id   text collate "C" not null,
    price         numeric not null,
    volume        numeric,
    currency      text collate "C" not null,
    received_at   timestamptz not null,
    time_source   smallint not null,
    raw           text,
    deleted       boolean not null,
    superseded_at timestamptz not null,
    primary key (id, version)
);
create index price_versions_by_symbol on price_versions (symbol, observed_at);
create index price_versions_by_time on price_versions (observed_at, id);

-- Every change, in the order of commits. Kinds: 0 recorded, 1 corrected, 2 deleted, 3 average.
create table log (
    sequence    bigint primary key,
    kind        smallint not null,
    symbol      text not null,
    observed_at timestamptz not null,
    price_id    bigint not null,
    -- The price, or the mean.
    amount      numeric not null,
    -- Of an average only.
    window_size integer,
    -- Of prices only.
    message_id  uuid,
    version     integer,
    currency    text,
    volume      numeric,
    received_at timestamptz,
    provider    text,
    has_raw     boolean
);

-- Sequences of price events that are not yet safely on the bus.
create table outbox (
    sequence bigint primary key
);

create table averages (
    symbol      text collate "C" not null,
    window_size integer not null,
    observed_at timestamptz not null,
    price_id    bigint not null,
    mean        numeric not null,
    primary key (symbol, window_size, observed_at, price_id)
);

create table materialised_windows (
    window_size integer primary key
);

create table consumer_positions (
    consumer_group text collate "C" not null,
    partition      integer not null,
    position       bigint not null,
    primary key (consumer_group, partition)
);

create table dead_letters (
    id            bigint primary key,
    reason        text not null,
    attempts      bigint not null,
    payload       bytea not null,
    -- Bytes, because a key and a header may hold what no text of PostgreSQL can.
    message_key   bytea not null,
    header_names  bytea[] not null,
    header_values bytea[] not null,
    parked_at     timestamptz not null
);

-- What follows is stored in the versioned form that every backend of the store shares, under its
-- key; columns of their own have only what is searched for.

create table provider_ledgers (
    provider text collate "C" primary key,
    ledger   bytea not null
);

-- Symbols that a provider is known not to list.
create table unknown_symbols (
    provider      text collate "C" not null,
    symbol        text collate "C" not null,
    unknown_until timestamptz not null,
    primary key (provider, symbol)
);

-- The newest receipt of each symbol.
create table receipts (
    symbol  text collate "C" primary key,
    receipt bytea not null
);

create table asset_lists (
    asset_class text collate "C" not null,
    provider    text collate "C" not null,
    assets      bytea not null,
    primary key (asset_class, provider)
);

-- Polling jobs. The columns behind the job repeat what it says, and are written with it.
create table jobs (
    id           bigint generated always as identity primary key,
    job          bytea not null,
    -- Null while paused, and when there is no next run.
    due_at       timestamptz,
    lease_holder text collate "C",
    lease_until  timestamptz
);
create index jobs_by_due on jobs (due_at, id);

-- Work that one process at a time may do, and until when it has the right to.
create table leases (
    name       text collate "C" primary key,
    holder     text collate "C" not null,
    held_until timestamptz not null
);
