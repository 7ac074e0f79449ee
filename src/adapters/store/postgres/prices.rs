//! Reading prices, and changing one.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Postgres, QueryBuilder};

use crate::model::{
    Amount, EventKind, Observation, Order, Position, Price, PriceId, PriceVersion, ProviderName,
    Symbol, TimeRange, Timestamp,
};
use crate::ports::{Appended, Correction, PriceQuery, PriceStore, StoreErrorKind};

use super::error::{Result, translate};
use super::log::write_events;
use super::rows::{
    N_PRICE_COLUMNS, amount, bigint, count, get, price, price_columns, price_id, prices, symbol,
    timestamp,
};
use super::store::PostgresStore;
use super::write::{lock_counters, not_before, supersede};

#[async_trait]
impl PriceStore for PostgresStore {
    async fn append(&self, batch: Vec<Observation>) -> Result<Vec<Appended>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        batch.iter().try_for_each(|observation| storable(observation.raw.as_ref()))?;
        self.queue.append(batch, self.draft.clone()).await
    }

    async fn correct(&self, id: PriceId, correction: Correction) -> Result<Option<Price>> {
        storable(correction.raw.as_ref())?;
        self.change(id, EventKind::Corrected, |current| {
            let received_at = not_before(current, correction.received_at);
            let observation = Observation {
                price: correction.price,
                volume: correction.volume,
                currency: correction.currency,
                received_at,
                raw: correction.raw,
                ..current.observation.clone()
            };
            (!observation.same_value(&current.observation)).then_some(observation)
        })
        .await
    }

    async fn delete(&self, id: PriceId, received_at: Timestamp) -> Result<Option<Price>> {
        self.change(id, EventKind::Deleted, |current| {
            let received_at = not_before(current, received_at);
            Some(Observation { received_at, ..current.observation.clone() })
        })
        .await
    }

    async fn price(&self, id: PriceId, as_of: Option<Timestamp>) -> Result<Option<Price>> {
        let mut query = QueryBuilder::new("");
        let of_id = |query: &mut QueryBuilder<Postgres>| {
            query.push(" and id = ").push_bind(bigint(id.get()));
        };
        push_known(&mut query, as_of, of_id, |_| {});
        let rows = self.fetch(&mut query).await?;
        rows.first().map(price).transpose()
    }

    async fn history(&self, id: PriceId) -> Result<Vec<PriceVersion>> {
        self.db
            .within(async {
                let rows = sqlx::query(concat!(
                    "select ",
                    price_columns!(),
                    ", deleted, superseded_at from price_versions where id = $1 \
                     union all select ",
                    price_columns!(),
                    ", deleted, null from prices where id = $1 order by version"
                ))
                .bind(bigint(id.get()))
                .fetch_all(&self.db.pool)
                .await
                .map_err(translate)?;
                rows.iter().map(version).collect()
            })
            .await
    }

    async fn latest(
        &self,
        symbol: &Symbol,
        provider: Option<&ProviderName>,
        as_of: Option<Timestamp>,
    ) -> Result<Option<Price>> {
        let selection = Selection {
            symbol: Some(symbol),
            provider,
            range: None,
            order: Order::NewestFirst,
            after: None,
            skip: 0,
            limit: 1,
            as_of,
        };
        Ok(self.select(&selection).await?.pop())
    }

    async fn prices(&self, query: PriceQuery) -> Result<Vec<Price>> {
        self.select(&Selection {
            symbol: query.symbol.as_ref(),
            provider: query.provider.as_ref(),
            range: Some(query.range),
            order: query.order,
            after: query.after,
            skip: query.skip,
            limit: query.limit,
            as_of: query.as_of,
        })
        .await
    }

    async fn values_around(
        &self,
        symbol: &Symbol,
        from: Position,
        n_before: usize,
        n_from: usize,
    ) -> Result<Vec<(Position, Amount)>> {
        self.db
            .within(async {
                // One statement, so one snapshot. The bare comparison of times is implied by the
                // pairs'; it lets whole partitions be left out.
                let rows = sqlx::query(
                    "(select observed_at, id, price::text from prices \
                       where symbol = $1 and not deleted \
                         and observed_at <= $2 and (observed_at, id) < ($2, $3) \
                       order by observed_at desc, id desc limit $4) \
                     union all \
                     (select observed_at, id, price::text from prices \
                       where symbol = $1 and not deleted \
                         and observed_at >= $2 and (observed_at, id) >= ($2, $3) \
                       order by observed_at, id limit $5)",
                )
                .bind(symbol.as_str())
                .bind(from.observed_at.to_utc())
                .bind(bigint(from.id.get()))
                .bind(count(n_before))
                .bind(count(n_from))
                .fetch_all(&self.db.pool)
                .await
                .map_err(translate)?;
                let mut values = rows.iter().map(value).collect::<Result<Vec<_>>>()?;
                values.sort_unstable_by_key(|(position, _)| *position);
                Ok(values)
            })
            .await
    }

    async fn symbols(&self, after: Option<&Symbol>, limit: usize) -> Result<Vec<Symbol>> {
        self.db
            .within(async {
                let names: Vec<String> = sqlx::query_scalar(
                    "select symbol from symbols where symbol > $1 order by symbol limit $2",
                )
                .bind(after.map_or("", Symbol::as_str))
                .bind(count(limit))
                .fetch_all(&self.db.pool)
                .await
                .map_err(translate)?;
                names.iter().map(|name| symbol(name)).collect()
            })
            .await
    }
}

/// What a list is made of: a [`PriceQuery`] whose range may be absent.
struct Selection<'a> {
    symbol: Option<&'a Symbol>,
    provider: Option<&'a ProviderName>,
    range: Option<TimeRange>,
    order: Order,
    after: Option<Position>,
    skip: usize,
    limit: usize,
    as_of: Option<Timestamp>,
}

impl Selection<'_> {
    fn push_conditions(&self, query: &mut QueryBuilder<Postgres>) {
        if let Some(symbol) = self.symbol {
            query.push(" and symbol = ").push_bind(symbol.as_str().to_owned());
        }
        if let Some(provider) = self.provider {
            query.push(" and provider = ").push_bind(provider.as_str().to_owned());
        }
        if let Some(range) = self.range {
            query.push(" and observed_at >= ").push_bind(range.from.to_utc());
            query.push(" and observed_at < ").push_bind(range.to.to_utc());
        }
        if let Some(after) = self.after {
            let comparison = match self.order {
                Order::NewestFirst => "<",
                Order::OldestFirst => ">",
            };
            // Implied by the pairs' comparison; it lets whole partitions be left out.
            query.push(format_args!(" and observed_at {comparison}= "));
            query.push_bind(after.observed_at.to_utc());
            query.push(format_args!(" and (observed_at, id) {comparison} ("));
            query.push_bind(after.observed_at.to_utc()).push(", ");
            query.push_bind(bigint(after.id.get())).push(")");
        }
    }

    fn push_order(&self, query: &mut QueryBuilder<Postgres>) {
        query.push(match self.order {
            Order::NewestFirst => " order by observed_at desc, id desc",
            Order::OldestFirst => " order by observed_at, id",
        });
    }
}

impl PostgresStore {
    async fn select(&self, selection: &Selection<'_>) -> Result<Vec<Price>> {
        let mut query = QueryBuilder::new("");
        let needed = count(selection.skip) + count(selection.limit);
        push_known(
            &mut query,
            selection.as_of,
            |query| selection.push_conditions(query),
            |query| {
                selection.push_order(query);
                query.push(" limit ").push_bind(needed);
            },
        );
        selection.push_order(&mut query);
        query.push(" limit ").push_bind(count(selection.limit));
        query.push(" offset ").push_bind(count(selection.skip));
        prices(&self.fetch(&mut query).await?)
    }

    async fn fetch(&self, query: &mut QueryBuilder<Postgres>) -> Result<Vec<PgRow>> {
        self.db
            .within(async { query.build().fetch_all(&self.db.pool).await.map_err(translate) })
            .await
    }

    /// Gives a price its next version, as `next` says from the current one; the current one is
    /// answered when `next` answers none.
    async fn change(
        &self,
        id: PriceId,
        kind: EventKind,
        next: impl FnOnce(&Price) -> Option<Observation> + Send,
    ) -> Result<Option<Price>> {
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                let counters = lock_counters(&mut transaction, 0).await?;
                let current = current_price(&mut transaction, id).await?;
                let Some((current, observation)) =
                    current.as_ref().and_then(|current| Some((current, next(current)?)))
                else {
                    self.conclude(&mut transaction, &current).await?;
                    transaction.commit().await.map_err(translate)?;
                    return Ok(current);
                };
                let changed = Price { id, version: current.version + 1, observation };
                supersede(&mut transaction, &changed, kind == EventKind::Deleted).await?;
                let committed = write_events(
                    &mut transaction,
                    &self.db.options,
                    counters.last_sequence,
                    &[(kind, &changed)],
                )
                .await?;
                let changed = Some(changed);
                self.conclude(&mut transaction, &changed).await?;
                transaction.commit().await.map_err(translate)?;
                self.db.tell_committed(committed);
                Ok(changed)
            })
            .await
    }
}

async fn current_price(connection: &mut PgConnection, id: PriceId) -> Result<Option<Price>> {
    let row = sqlx::query(concat!(
        "select ",
        price_columns!(),
        " from prices where id = $1 and not deleted"
    ))
    .bind(bigint(id.get()))
    .fetch_optional(connection)
    .await
    .map_err(translate)?;
    row.as_ref().map(price).transpose()
}

/// Selects the versions known now or at `as_of` that fulfil `conditions`. `cut` orders and limits
/// each of the two places that old versions are looked for in, so that neither is read as a whole.
fn push_known(
    query: &mut QueryBuilder<Postgres>,
    as_of: Option<Timestamp>,
    conditions: impl Fn(&mut QueryBuilder<Postgres>),
    cut: impl Fn(&mut QueryBuilder<Postgres>),
) {
    let Some(as_of) = as_of.map(Timestamp::to_utc) else {
        query.push(concat!("select ", price_columns!(), " from prices where not deleted"));
        conditions(query);
        return;
    };
    query.push(concat!("select ", price_columns!(), " from ((select * from prices"));
    query.push(" where not deleted and received_at <= ").push_bind(as_of);
    conditions(query);
    cut(query);
    query.push(concat!(
        ") union all (select id, version, symbol, provider, observed_at, external_id, price, ",
        "volume, currency, received_at, time_source, raw, deleted from price_versions"
    ));
    query.push(" where not deleted and received_at <= ").push_bind(as_of);
    query.push(" and superseded_at > ").push_bind(as_of);
    conditions(query);
    cut(query);
    query.push(")) as known");
}

/// A row of [`price_columns`], `deleted` and `superseded_at`.
pub(super) fn version(row: &PgRow) -> Result<PriceVersion> {
    let superseded_at: Option<time::OffsetDateTime> = get(row, N_PRICE_COLUMNS + 1)?;
    Ok(PriceVersion {
        price: price(row)?,
        superseded_at: superseded_at.map(timestamp).transpose()?,
        deleted: get(row, N_PRICE_COLUMNS)?,
    })
}

fn value(row: &PgRow) -> Result<(Position, Amount)> {
    let position = Position { observed_at: timestamp(get(row, 0)?)?, id: price_id(get(row, 1)?)? };
    Ok((position, amount(get(row, 2)?)?))
}

/// JSON text has no NUL, and PostgreSQL's text cannot hold one: such a payload would fail the
/// transaction that it shares with others.
fn storable(raw: Option<&crate::model::RawPayload>) -> Result<()> {
    if raw.is_some_and(|raw| raw.0.contains('\0')) {
        return Err(StoreErrorKind::Corrupt.because("the raw payload is no JSON: it holds a NUL"));
    }
    Ok(())
}
