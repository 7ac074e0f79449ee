//! Reading a series in order: its blocks, and over them its head.

use std::ops::{Bound, Range};
use std::sync::Arc;

use redb::{AccessGuard, ReadOnlyTable};

use super::heads::Head;
use super::series::{BlockKey, Entry, Series, block_key, end_of, index_from};
use super::{Result, storage};
use crate::model::{Order, Position};
use crate::ports::{StoreError, StoreErrorKind};

type Blocks = ReadOnlyTable<BlockKey, &'static [u8]>;

/// The positions a cursor walks over: from `from` up to but without `to`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) from: Bound<Position>,
    pub(super) to: Bound<Position>,
}

impl Span {
    pub(super) const ALL: Self =
        Self { from: Bound::Included(Position::MIN), to: Bound::Included(Position::MAX) };

    fn lowest(self) -> Position {
        match self.from {
            Bound::Included(at) | Bound::Excluded(at) => at,
            Bound::Unbounded => Position::MIN,
        }
    }

    fn is_empty(self) -> bool {
        match (self.from, self.to) {
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (
                Bound::Included(from) | Bound::Excluded(from),
                Bound::Excluded(to) | Bound::Included(to),
            ) => from >= to,
            _ => false,
        }
    }

    fn is_before(self, at: Position) -> bool {
        match self.from {
            Bound::Included(from) => at < from,
            Bound::Excluded(from) => at <= from,
            Bound::Unbounded => false,
        }
    }

    fn is_behind(self, at: Position) -> bool {
        match self.to {
            Bound::Included(to) => at > to,
            Bound::Excluded(to) => at >= to,
            Bound::Unbounded => false,
        }
    }
}

/// Walks over the entries of a series in one direction.
pub(super) struct Cursor<E: Entry> {
    series: Series,
    order: Order,
    head: Option<Arc<Head<E>>>,
    span: Span,
    /// What of the head is still to come, and the next of it.
    head_span: Span,
    next_head: Option<Position>,
    /// Blocks that end in the span, but for the one that is next.
    blocks: redb::Range<'static, BlockKey, &'static [u8]>,
    /// The block that ends at or behind the end of the span, when its turn has not come.
    last_block: Option<SealedBlock>,
    /// The next block with its end, not decoded yet.
    next_block: Option<SealedBlock>,
    open: Option<OpenBlock<E>>,
}

type SealedBlock = (Position, AccessGuard<'static, &'static [u8]>);

/// An entry that a cursor has come to. Small, so that the entry itself is put together once, by
/// whoever wants it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) at: Position,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Head,
    /// At this index of the open block.
    Block(usize),
}

/// Entries of one block that follow each other.
pub(super) struct Run<'c, E: Entry> {
    pub(super) block: &'c E::Block,
    pub(super) series: &'c Series,
    indices: Range<usize>,
    order: Order,
}

impl<E: Entry> Run<'_, E> {
    /// The indices in the order of the cursor.
    pub(super) fn indices(&self) -> impl Iterator<Item = usize> + use<E> {
        let (Range { start, end }, order) = (self.indices.clone(), self.order);
        (0..end - start).map(move |n| match order {
            Order::NewestFirst => end - 1 - n,
            Order::OldestFirst => start + n,
        })
    }
}

/// A decoded block and the indices that are still to come.
struct OpenBlock<E: Entry> {
    block: E::Block,
    from: usize,
    to: usize,
}

impl<E: Entry> Cursor<E> {
    /// A cursor over `span`; `head` is what is not sealed of the series, as of the same commit as
    /// `blocks`.
    pub(super) fn open(
        blocks: &Blocks,
        head: Option<Arc<Head<E>>>,
        series: Series,
        span: Span,
        order: Order,
    ) -> Result<Option<Self>> {
        if span.is_empty() {
            return Ok(None);
        }
        let key = |at| block_key(series.key, at);
        let lowest = key(span.lowest());
        let end = key(Position::MAX);
        let highest = match span.to {
            Bound::Included(to) | Bound::Excluded(to) => key(to),
            Bound::Unbounded => end,
        };
        let last_block = sealed(blocks.range(highest..=end).map_err(storage)?.next())?;
        let blocks = blocks.range(lowest..highest).map_err(storage)?;
        let mut cursor = Self {
            series,
            order,
            head,
            span,
            head_span: span,
            next_head: None,
            blocks,
            last_block,
            next_block: None,
            open: None,
        };
        cursor.next_block = cursor.following_block()?;
        cursor.next_head = cursor.peek_head();
        Ok(Some(cursor))
    }

    /// A position that no entry to come lies before, told without decoding a block; none at the
    /// end.
    pub(super) fn bound(&self) -> Result<Option<Position>> {
        let head = self.next_head;
        let sealed = match (&self.open, &self.next_block) {
            (Some(open), _) if open.from < open.to => {
                Some(E::position(&open.block, open.next_index(self.order))?)
            }
            (_, Some((end, _))) => Some(match self.order {
                Order::NewestFirst => *end,
                // Where a block begins is not told without decoding it.
                Order::OldestFirst => Position::MIN,
            }),
            (_, None) => None,
        };
        Ok(match self.order {
            Order::NewestFirst => head.max(sealed),
            Order::OldestFirst => head.into_iter().chain(sealed).min(),
        })
    }

    /// The next entry, removals left out; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<(Position, E)>> {
        while let Some(step) = self.step()? {
            let entry = self.entry(step)?;
            if !entry.is_removal() {
                return Ok(Some((step.at, entry)));
            }
        }
        Ok(None)
    }

    /// Goes behind all entries that come next and lie in one block; none when the next entry is of
    /// the head, or there is none.
    pub(super) fn run(&mut self) -> Result<Option<Run<'_, E>>> {
        let unsealed = self.next_head;
        if unsealed.is_some_and(|at| self.is_beyond_blocks(at)) || self.peek_block()?.is_none() {
            return Ok(None);
        }
        let Some(open) = &mut self.open else { return Ok(None) };
        let indices = match (unsealed, self.order) {
            (None, _) => open.from..open.to,
            (Some(at), Order::OldestFirst) => {
                open.from..index_from::<E>(&open.block, at)?.clamp(open.from, open.to)
            }
            (Some(at), Order::NewestFirst) => {
                let index = index_from::<E>(&open.block, at)?.clamp(open.from, open.to);
                let is_same = index < open.to && E::position(&open.block, index)? == at;
                index + usize::from(is_same)..open.to
            }
        };
        if indices.is_empty() {
            return Ok(None);
        }
        match self.order {
            Order::NewestFirst => open.to = indices.start,
            Order::OldestFirst => open.from = indices.end,
        }
        let (block, series, order) = (&open.block, &self.series, self.order);
        Ok(Some(Run { block, series, indices, order }))
    }

    /// Goes to the next entry, which may be a removal; none at the end.
    pub(super) fn step(&mut self) -> Result<Option<Step>> {
        let unsealed = self.next_head;
        let sealed = match unsealed {
            Some(at) if self.is_beyond_blocks(at) => None,
            _ => self.peek_block()?,
        };
        let newest_first = self.order == Order::NewestFirst;
        Ok(match (sealed, unsealed) {
            (None, None) => None,
            (Some(at), Some(head_at)) if at == head_at => {
                // The head knows better.
                self.step_block(at);
                Some(self.step_head(head_at))
            }
            (Some(at), Some(head_at)) if (at > head_at) == newest_first => self.step_block(at),
            (_, Some(head_at)) => Some(self.step_head(head_at)),
            (Some(at), None) => self.step_block(at),
        })
    }

    /// The entry that the last step came to.
    #[inline]
    pub(super) fn entry(&self, step: Step) -> Result<E> {
        match (step.place, &self.open, &self.head) {
            (Place::Block(index), Some(open), _) => E::get(&open.block, &self.series, index),
            (Place::Head, _, Some(head)) => head.get(step.at).cloned().ok_or_else(lost),
            _ => Err(lost()),
        }
    }

    /// Whether a position comes before all of the next block, which then need not be decoded.
    fn is_beyond_blocks(&self, at: Position) -> bool {
        let is_open = self.open.as_ref().is_some_and(|open| open.from < open.to);
        let newest_first = self.order == Order::NewestFirst;
        !is_open && newest_first && self.next_block.as_ref().is_none_or(|(end, _)| at > *end)
    }

    fn peek_head(&self) -> Option<Position> {
        let head = self.head.as_ref()?;
        if self.head_span.is_empty() {
            return None;
        }
        let mut entries = head.entries.range((self.head_span.from, self.head_span.to));
        let next = match self.order {
            Order::NewestFirst => entries.next_back(),
            Order::OldestFirst => entries.next(),
        };
        next.map(|(at, _)| *at)
    }

    fn step_head(&mut self, at: Position) -> Step {
        match self.order {
            Order::NewestFirst => self.head_span.to = Bound::Excluded(at),
            Order::OldestFirst => self.head_span.from = Bound::Excluded(at),
        }
        self.next_head = self.peek_head();
        Step { at, place: Place::Head }
    }

    fn peek_block(&mut self) -> Result<Option<Position>> {
        loop {
            if let Some(open) = &self.open
                && open.from < open.to
            {
                let index = open.next_index(self.order);
                return E::position(&open.block, index).map(Some);
            }
            match self.next_block.take() {
                Some((_, bytes)) => {
                    let block = E::decode(bytes.value())?;
                    self.next_block = self.following_block()?;
                    let from = match self.span.from {
                        Bound::Included(_) | Bound::Unbounded => {
                            index_from::<E>(&block, self.span.lowest())?
                        }
                        Bound::Excluded(from) => {
                            let index = index_from::<E>(&block, from)?;
                            let skip = index < E::len(&block)
                                && self.span.is_before(E::position(&block, index)?);
                            index + usize::from(skip)
                        }
                    };
                    let to = match self.span.to {
                        Bound::Unbounded => E::len(&block),
                        Bound::Included(to) | Bound::Excluded(to) => {
                            let index = index_from::<E>(&block, to)?;
                            let keep = index < E::len(&block)
                                && !self.span.is_behind(E::position(&block, index)?);
                            index + usize::from(keep)
                        }
                    };
                    self.open = Some(OpenBlock { block, from, to });
                }
                None => {
                    self.open = None;
                    return Ok(None);
                }
            }
        }
    }

    fn following_block(&mut self) -> Result<Option<SealedBlock>> {
        match self.order {
            Order::NewestFirst => match self.last_block.take() {
                Some(block) => Ok(Some(block)),
                None => sealed(self.blocks.next_back()),
            },
            Order::OldestFirst => match sealed(self.blocks.next())? {
                Some(block) => Ok(Some(block)),
                None => Ok(self.last_block.take()),
            },
        }
    }

    fn step_block(&mut self, at: Position) -> Option<Step> {
        let open = self.open.as_mut()?;
        let index = open.next_index(self.order);
        match self.order {
            Order::NewestFirst => open.to -= 1,
            Order::OldestFirst => open.from += 1,
        }
        Some(Step { at, place: Place::Block(index) })
    }
}

fn lost() -> StoreError {
    StoreErrorKind::Corrupt.because("an entry is not where its cursor found it")
}

type Row = std::result::Result<
    (AccessGuard<'static, BlockKey>, AccessGuard<'static, &'static [u8]>),
    redb::StorageError,
>;

fn sealed(row: Option<Row>) -> Result<Option<SealedBlock>> {
    match row {
        Some(row) => {
            let (end, bytes) = row.map_err(storage)?;
            Ok(Some((end_of(end.value())?, bytes)))
        }
        None => Ok(None),
    }
}

impl<E: Entry> OpenBlock<E> {
    fn next_index(&self, order: Order) -> usize {
        match order {
            Order::NewestFirst => self.to - 1,
            Order::OldestFirst => self.from,
        }
    }
}
