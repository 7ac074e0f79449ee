//! The rounds of each comparison, and what is printed of them.

use super::client::Load;

#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

struct Row {
    what: String,
    who: &'static str,
    rates: Vec<f64>,
    p99s_ms: Vec<f64>,
}

impl Table {
    pub(crate) fn add(&mut self, what: &str, who: &'static str, rate: f64) {
        self.row(what, who).rates.push(rate);
    }

    pub(crate) fn add_load(&mut self, what: &str, who: &'static str, load: &Load) {
        let row = self.row(what, who);
        row.rates.push(load.rate);
        row.p99s_ms.push(load.p99_ms);
    }

    fn row(&mut self, what: &str, who: &'static str) -> &mut Row {
        let known = self.rows.iter().position(|row| row.what == what && row.who == who);
        let index = known.unwrap_or_else(|| {
            let (rates, p99s_ms) = Default::default();
            self.rows.push(Row { what: what.to_owned(), who, rates, p99s_ms });
            self.rows.len() - 1
        });
        &mut self.rows[index]
    }

    /// Each rate with its spread, and how often the first of a comparison goes into the others,
    /// round by round.
    pub(crate) fn print(&self) {
        println!("| what | who | a second: median (least to most) | p99 | tickerd is |");
        println!("|---|---|---|---|---|");
        for row in &self.rows {
            let first = self.rows.iter().find(|first| first.what == row.what);
            let ratio = first.filter(|first| first.who != row.who).map(|first| {
                let pairs = first.rates.iter().zip(&row.rates);
                let ratios: Vec<f64> = pairs.map(|(ours, other)| ours / other).collect();
                format!("{} of it", spread(&ratios))
            });
            let p99 = match row.p99s_ms.is_empty() {
                true => String::new(),
                false => format!("{} ms", spread(&row.p99s_ms)),
            };
            let (rates, ratio) = (spread(&row.rates), ratio.unwrap_or_default());
            println!("| {} | {} | {rates} | {p99} | {ratio} |", row.what, row.who);
        }
    }
}

/// The median, and the least and the most.
pub(crate) fn spread(figures: &[f64]) -> String {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| shown(sorted[((sorted.len() - 1) as f64 * share) as usize]);
    format!("{} ({} to {})", at(0.5), at(0.0), at(1.0))
}

fn shown(figure: f64) -> String {
    match figure {
        figure if figure >= 100.0 => format!("{figure:.0}"),
        figure if figure >= 10.0 => format!("{figure:.1}"),
        figure => format!("{figure:.2}"),
    }
}
