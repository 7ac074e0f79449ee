//! Lists of prices, and the values around a position.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Bound;

use super::cursor::{Cursor, Span};
use super::reader::PriceReader;
use super::series::{PRICES, Series};
use super::tables::Schema;
use super::{Result, Shared};
use crate::codec::record::PriceRow;
use crate::model::{Amount, Order, Position, Price, PriceId, Symbol};
use crate::ports::PriceQuery;

type PriceCursor = Cursor<PriceRow>;

/// A cursor over the prices of one symbol; none when the symbol is unknown or the span empty.
pub(super) fn open_symbol(
    shared: &Shared,
    symbol: &Symbol,
    span: Span,
    order: Order,
) -> Result<Option<(Schema, PriceCursor)>> {
    let Some(number) = shared.symbols.number(symbol) else {
        // A closed store is unavailable whatever it is asked.
        shared.read_with(|_| ())?;
        return Ok(None);
    };
    let (schema, head) = shared.read_with(|heads| heads.prices.get(&(number, PRICES)).cloned())?;
    let series = Series::prices(number, symbol.clone());
    let cursor = Cursor::open(&schema.blocks()?, head, series, span, order)?;
    Ok(cursor.map(|cursor| (schema, cursor)))
}

/// The prices a query asks for. Without a symbol the lists of all symbols are merged, which needs
/// no index by time alone.
pub(super) fn list(shared: &Shared, query: &PriceQuery) -> Result<Vec<Price>> {
    let Some(span) = span(query) else {
        shared.read_with(|_| ())?;
        return Ok(Vec::new());
    };
    let (schema, cursors) = match &query.symbol {
        Some(symbol) => match open_symbol(shared, symbol, span, query.order)? {
            Some((schema, cursor)) => (schema, vec![cursor]),
            None => return Ok(Vec::new()),
        },
        None => open_all(shared, span, query.order)?,
    };
    let reader = PriceReader::open(&schema, query.as_of)?;
    let mut merged = Merged::new(cursors, query.order)?;
    let mut skip = query.skip;
    let mut found = Vec::with_capacity(query.limit.min(1_000));
    while found.len() < query.limit
        && let Some(row) = merged.next()?
    {
        let is_wanted = query
            .provider
            .as_ref()
            .is_none_or(|provider| row.price.observation.provider == *provider);
        if !is_wanted {
            continue;
        }
        match reader.price(row)? {
            Some(_) if skip > 0 => skip -= 1,
            Some(price) => found.push(price),
            None => {}
        }
    }
    Ok(found)
}

fn open_all(shared: &Shared, span: Span, order: Order) -> Result<(Schema, Vec<PriceCursor>)> {
    let (schema, heads) = shared.read_with(|heads| heads.prices.clone())?;
    let blocks = schema.blocks()?;
    let mut cursors = Vec::new();
    for (number, symbol) in shared.symbols.all() {
        let series = Series::prices(number, symbol);
        let head = heads.get(&series.key).cloned();
        cursors.extend(Cursor::open(&blocks, head, series, span, order)?);
    }
    Ok((schema, cursors))
}

/// One of the two, depending on the order.
type Rank = (Option<Position>, Option<Reverse<Position>>);

/// Merges several cursors into one order. A cursor opens a block only when its turn may have come.
struct Merged {
    cursors: Vec<PriceCursor>,
    order: Order,
    /// The next row of each cursor, where it was read already.
    rows: Vec<Option<(Position, PriceRow)>>,
    /// Where each cursor stands, or may stand at the earliest. The greatest comes out first, so
    /// ascending order is reversed.
    turns: BinaryHeap<(Rank, usize)>,
}

impl Merged {
    fn new(cursors: Vec<PriceCursor>, order: Order) -> Result<Self> {
        let mut merged = Self {
            rows: cursors.iter().map(|_| None).collect(),
            turns: BinaryHeap::with_capacity(cursors.len()),
            cursors,
            order,
        };
        for index in 0..merged.cursors.len() {
            merged.queue(index)?;
        }
        Ok(merged)
    }

    fn queue(&mut self, index: usize) -> Result<()> {
        let at = match &self.rows[index] {
            Some((at, _)) => Some(*at),
            None => self.cursors[index].bound()?,
        };
        if let Some(at) = at {
            let rank = match self.order {
                Order::NewestFirst => (Some(at), None),
                Order::OldestFirst => (None, Some(Reverse(at))),
            };
            self.turns.push((rank, index));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<PriceRow>> {
        if let [only] = &mut self.cursors[..] {
            return Ok(only.next()?.map(|(_, row)| row));
        }
        while let Some((_, index)) = self.turns.pop() {
            match self.rows[index].take() {
                Some((_, row)) => {
                    self.queue(index)?;
                    return Ok(Some(row));
                }
                None => {
                    self.rows[index] = self.cursors[index].next()?;
                    if self.rows[index].is_some() {
                        self.queue(index)?;
                    }
                }
            }
        }
        Ok(None)
    }
}

/// The span of positions a query covers; none when it is empty.
fn span(query: &PriceQuery) -> Option<Span> {
    let first = Position { observed_at: query.range.from, id: PriceId::MIN };
    let end = Position { observed_at: query.range.to, id: PriceId::MIN };
    let (from, to) = match (query.after, query.order) {
        (Some(after), Order::NewestFirst) => (Bound::Included(first), end.min(after)),
        (Some(after), Order::OldestFirst) if after >= first => (Bound::Excluded(after), end),
        _ => (Bound::Included(first), end),
    };
    let (Bound::Included(lowest) | Bound::Excluded(lowest)) = from else { return None };
    (lowest < to).then_some(Span { from, to: Bound::Excluded(to) })
}

pub(super) fn values_around(
    shared: &Shared,
    symbol: &Symbol,
    from: Position,
    n_before: usize,
    n_from: usize,
) -> Result<Vec<(Position, Amount)>> {
    let Some(number) = shared.symbols.number(symbol) else {
        shared.read_with(|_| ())?;
        return Ok(Vec::new());
    };
    let (schema, head) = shared.read_with(|heads| heads.prices.get(&(number, PRICES)).cloned())?;
    let blocks = schema.blocks()?;
    let series = Series::prices(number, symbol.clone());
    let mut values = Vec::with_capacity((n_before + n_from).min(1_024));
    let before = Span { from: Bound::Included(Position::MIN), to: Bound::Excluded(from) };
    let cursor = Cursor::open(&blocks, head.clone(), series.clone(), before, Order::NewestFirst)?;
    collect(cursor, n_before, &mut values)?;
    values.reverse();
    let behind = Span { from: Bound::Included(from), to: Bound::Included(Position::MAX) };
    let cursor = Cursor::open(&blocks, head, series, behind, Order::OldestFirst)?;
    collect(cursor, n_from, &mut values)?;
    Ok(values)
}

fn collect(
    cursor: Option<PriceCursor>,
    count: usize,
    values: &mut Vec<(Position, Amount)>,
) -> Result<()> {
    let Some(mut cursor) = cursor else { return Ok(()) };
    let full = values.len() + count;
    while values.len() < full
        && let Some((at, row)) = cursor.next()?
    {
        if !row.deleted {
            values.push((at, row.price.observation.price));
        }
    }
    Ok(())
}
