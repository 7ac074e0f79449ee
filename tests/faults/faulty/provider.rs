//! A provider that fails, dawdles, loses its answers and tells nonsense.

use std::time::Duration;

use async_trait::async_trait;
use tickerd::model::{Amount, QuotaWindow, Symbol};
use tickerd::ports::provider::{
    FailureClass, PriceProvider, ProviderError, ProviderProfile, Quote,
};

use super::Faulty;

const DAY: Duration = Duration::from_secs(24 * 3_600);

type Answers = Vec<(Symbol, Result<Quote, ProviderError>)>;

#[async_trait]
impl PriceProvider for Faulty<dyn PriceProvider> {
    fn profile(&self) -> &ProviderProfile {
        self.inner.profile()
    }

    async fn quotes(&self, symbols: &[Symbol]) -> Result<Answers, ProviderError> {
        self.faults.dawdle("provider dawdles").await;
        if self.faults.strikes("provider fails") {
            return Err(ProviderError::new(FailureClass::UpstreamError, "as told"));
        }
        if self.faults.strikes("provider limits") {
            let class = FailureClass::RateLimited(QuotaWindow::Minute);
            let retry_after = Some(Duration::from_millis(20));
            return Err(ProviderError { class, detail: "as told".into(), retry_after });
        }
        let mut answers = self.inner.quotes(symbols).await?;
        if self.faults.strikes("provider loses the answer") {
            return Err(ProviderError::new(FailureClass::UpstreamError, "reset"));
        }
        for (_, answer) in &mut answers {
            let Ok(quote) = answer else { continue };
            if self.faults.strikes("provider tells a price of zero") {
                quote.price = Amount::parse("0").expect("an amount");
            }
            if self.faults.strikes("provider tells tomorrow's price") {
                quote.observed_at = quote.observed_at.plus(DAY);
            }
            if self.faults.strikes("provider answers for another symbol") {
                quote.symbol = Symbol::parse("OTHER").expect("a symbol");
            }
        }
        Ok(answers)
    }
}
