//! Lists of prices, and the values around a position.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Bound;

use super::cursor::{Cursor, Run, Span, Step};
use super::reader::PriceReader;
use super::series::{PRICES, Series};
use super::tables::Schema;
use super::{Result, Shared, corrupt};
use crate::codec::record::PriceRow;
use crate::model::{Amount, Order, Position, Price, PriceId, ProviderName, Symbol};
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
    let mut page = Page {
        query,
        reader: PriceReader::open(&schema, query.as_of)?,
        skip: query.skip,
        found: Vec::with_capacity(query.limit.min(1_000)),
    };
    match <[PriceCursor; 1]>::try_from(cursors) {
        Ok([cursor]) => page.fill(cursor)?,
        Err(cursors) => page.fill_merged(Merged::new(cursors, query.order)?)?,
    }
    Ok(page.found)
}

/// What a query finds.
struct Page<'q> {
    query: &'q PriceQuery,
    reader: PriceReader,
    /// How many of what is found are still left out.
    skip: usize,
    found: Vec<Price>,
}

impl Page<'_> {
    fn is_full(&self) -> bool {
        self.found.len() >= self.query.limit
    }

    fn fill_merged(&mut self, mut merged: Merged) -> Result<()> {
        while !self.is_full()
            && let Some(row) = merged.next()?
        {
            self.take(row)?;
        }
        Ok(())
    }

    fn fill(&mut self, mut cursor: PriceCursor) -> Result<()> {
        while !self.is_full() {
            // What was known then may be another version, which is put together from its own row.
            if self.query.as_of.is_none()
                && let Some(run) = cursor.run()?
            {
                self.take_run(&run)?;
                continue;
            }
            let Some(step) = cursor.step()? else { return Ok(()) };
            self.take(cursor.entry(step)?)?;
        }
        Ok(())
    }

    fn take(&mut self, row: PriceRow) -> Result<()> {
        if !self.wants(&row.price.observation.provider) {
            return Ok(());
        }
        match self.reader.price(row)? {
            Some(_) if self.skip > 0 => self.skip -= 1,
            Some(price) => self.found.push(price),
            None => {}
        }
        Ok(())
    }

    fn take_run(&mut self, run: &Run<'_, PriceRow>) -> Result<()> {
        let Run { block, series, .. } = run;
        for index in run.indices() {
            if self.is_full() {
                break;
            }
            if block.is_deleted(index) || !self.wants(block.provider(index).map_err(corrupt)?) {
                continue;
            }
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            block.push_price(&series.symbol, index, &mut self.found).map_err(corrupt)?;
            if block.has_raw(index)
                && let Some(price) = self.found.last_mut()
            {
                self.reader.add_raw(price)?;
            }
        }
        Ok(())
    }

    fn wants(&self, provider: &ProviderName) -> bool {
        self.query.provider.as_ref().is_none_or(|wanted| wanted == provider)
    }
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
    /// The next entry of each cursor, where it went there already.
    steps: Vec<Option<Step>>,
    /// Where each cursor stands, or may stand at the earliest. The greatest comes out first, so
    /// ascending order is reversed.
    turns: BinaryHeap<(Rank, usize)>,
}

impl Merged {
    fn new(cursors: Vec<PriceCursor>, order: Order) -> Result<Self> {
        let mut merged = Self {
            steps: vec![None; cursors.len()],
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
        let at = match self.steps[index] {
            Some(step) => Some(step.at),
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
        while let Some((_, index)) = self.turns.pop() {
            let cursor = &mut self.cursors[index];
            match self.steps[index].take() {
                Some(step) => {
                    let row = cursor.entry(step)?;
                    self.queue(index)?;
                    return Ok(Some(row));
                }
                None => {
                    self.steps[index] = cursor.step()?;
                    if self.steps[index].is_some() {
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
    while values.len() < full {
        if let Some(run) = cursor.run()? {
            let block = run.block;
            for index in run.indices().filter(|index| !block.is_deleted(*index)) {
                if values.len() == full {
                    break;
                }
                let at = block.position(index).map_err(corrupt)?;
                values.push((at, block.amount(index).map_err(corrupt)?));
            }
            continue;
        }
        let Some(step) = cursor.step()? else { break };
        let row = cursor.entry(step)?;
        if !row.deleted {
            values.push((step.at, row.price.observation.price));
        }
    }
    Ok(())
}
