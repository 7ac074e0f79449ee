-- Which partitions and indexes of prices pay: the same million rows in tables laid out in several
-- ways, their sizes, how fast they fill, and the pages and time that the store's questions take.
--
--     scripts/services run postgres -- sh -c 'psql -X -f benches/postgres.sql "$TICKERD_TEST_POSTGRES_URL"'
--
-- Pages are the same on every machine; times are the least of 20 runs, in turn over the layouts: planned
-- anew, and of a prepared statement, which PostgreSQL plans five times and then as it sees fit.
\set QUIET on
\pset footer off
set client_min_messages = warning;
drop schema if exists layouts cascade;
create schema layouts;
set search_path = layouts;
set max_parallel_workers_per_gather = 0;

create table columns (
    id bigint not null, version integer not null, symbol text collate "C" not null,
    provider text collate "C" not null, observed_at timestamptz not null,
    external_id text collate "C" not null, price numeric not null, volume numeric,
    currency text collate "C" not null, received_at timestamptz not null,
    time_source smallint not null, raw text, deleted boolean not null
);

-- Prices of 50 symbols over three years, in the order in which they come.
create table rows as
select n as id, 1 as version, 'S' || n % 50 as symbol, 'manual' as provider,
       '2023-01-01'::timestamptz + n * interval '94 seconds' + n % 7 * interval '1 ms' as observed_at,
       '' as external_id, (60000 + n % 4000 / 100.0)::numeric as price, null::numeric as volume,
       'USD' as currency, '2026-01-01'::timestamptz as received_at, 0::smallint as time_source,
       null::text as raw, false as deleted
  from generate_series(1, 1000000) n;

create table layout (place serial, name text primary key, seconds numeric);
insert into layout (name) values ('one table'), ('years'), ('months'), ('years, brin'), ('years, covering');

create procedure lay_out(name text) language plpgsql as $$
declare
    started timestamptz;
    step interval := case when name = 'months' then '1 month' else '1 year' end;
    start timestamptz;
begin
    execute format('create table %I (like columns) %s', name,
        case when name <> 'one table' then 'partition by range (observed_at)' else '' end);
    if name <> 'one table' then
        for start in select generate_series('2015-01-01'::timestamptz, '2039-01-01', step) loop
            execute format('create table %I partition of %I for values from (%L) to (%L)',
                name || start::date, name, start, start + step);
        end loop;
    end if;
    execute format('alter table %I add primary key (id, observed_at)', name);
    execute format('create unique index on %I (symbol, observed_at, provider, external_id)', name);
    execute format(case name when 'years, brin' then 'create index on %I using brin (observed_at)'
        else 'create index on %I (observed_at, id)' end, name);
    if name = 'years, covering' then
        execute format('create index on %I (symbol, observed_at, id) include (price, deleted)', name);
    end if;
    started := clock_timestamp();
    for batch in 0..99 loop
        execute format('insert into %I select * from rows where id > %s and id <= %s order by id',
            name, batch * 10000, (batch + 1) * 10000);
    end loop;
    update layout set seconds = extract(epoch from clock_timestamp() - started) where layout.name = lay_out.name;
end $$;
create index on rows (id);
vacuum analyze rows;
call lay_out('one table'); call lay_out('years'); call lay_out('months');
call lay_out('years, brin'); call lay_out('years, covering');
vacuum analyze;

create table question (place serial, name text primary key, asks text);
insert into question (name, asks) values
    ('newest of a symbol', 'select * from %I where symbol = $1 and not deleted order by observed_at desc, id desc limit 1'),
    ('1,000 newest of a symbol', 'select * from %I where symbol = $1 and not deleted order by observed_at desc, id desc limit 1000'),
    ('200 values for an average', 'select observed_at, id, price from %I where symbol = $1 and not deleted and observed_at <= ''2025-06-01'' order by observed_at desc, id desc limit 200'),
    ('100 newest of all', 'select * from %I where $1 > '''' and not deleted order by observed_at desc, id desc limit 100'),
    ('1,000 oldest, to be dropped', 'select id, symbol, observed_at from %I where $1 > '''' and observed_at < ''2024-01-01'' order by observed_at, id limit 1000'),
    ('one by its id', 'select * from %I where $1 > '''' and id = 500000');

create table answer (layout text, question text, pages bigint, planned numeric, prepared numeric);
do $$
declare
    told json;
    prepared json;
    layout_name text;
    asked record;
    statement text;
begin
    for run in 1..20 loop
        for asked in select * from question order by place loop
            for layout_name in select name from layout order by place loop
                statement := format('%I', layout_name || asked.place);
                if run = 1 then
                    execute format('prepare %s(text) as %s', statement, format(asked.asks, layout_name));
                end if;
                execute format('explain (analyze, buffers, timing off, format json) %s',
                    replace(format(asked.asks, layout_name), '$1', '''S7''')) into told;
                execute format('explain (analyze, buffers, timing off, format json) execute %s(''S7'')', statement)
                   into prepared;
                insert into answer values (layout_name, asked.name,
                    (told->0->'Plan'->>'Shared Hit Blocks')::bigint + (told->0->'Plan'->>'Shared Read Blocks')::bigint,
                    1000 * ((told->0->>'Planning Time')::numeric + (told->0->>'Execution Time')::numeric),
                    1000 * ((prepared->0->>'Planning Time')::numeric + (prepared->0->>'Execution Time')::numeric));
            end loop;
        end loop;
    end loop;
end $$;

\echo Rows a second in batches of 10,000, and bytes a price
with leaf as (
    select name, relid from layout, pg_partition_tree(format('%I', name)::regclass) where isleaf
    union select name, format('%I', name)::regclass from layout)
select name, round(1000000 / seconds) as rows_a_second,
       round((select sum(pg_table_size(relid)) from leaf where leaf.name = layout.name) / 1000000.0) as table_bytes,
       round((select sum(pg_indexes_size(relid)) from leaf where leaf.name = layout.name) / 1000000.0) as index_bytes
  from layout order by place;
\echo Pages touched, and the least time in microseconds: planned anew / prepared
select question, string_agg(format('%s: %s, %s/%s us', layout, pages, planned, prepared), ' | ' order by layout.place)
  from (select layout, question, min(pages) as pages, round(min(planned)) as planned, round(min(prepared)) as prepared
          from answer group by layout, question) least
  join layout on layout.name = least.layout join question on question.name = least.question
 group by question, question.place order by question.place;
drop schema layouts cascade;
