//! A part of the offered Redis that nobody else uses.

use std::sync::Arc;
use std::time::Duration;

use tickerd::adapters::redis::{RedisLink, RedisOptions};
use tickerd::ports::SystemClock;

/// A link to keys of a test's own; none when there is no server.
pub(crate) async fn fresh_link() -> Option<Arc<RedisLink>> {
    let url = crate::servers::offered("redis")?;
    let options = RedisOptions {
        prefix: format!("test-{}:", uuid::Uuid::now_v7()),
        // A busy machine is no reason to do without.
        call_timeout: Duration::from_secs(20),
        ..RedisOptions::new(url, "test")
    };
    let link = RedisLink::open(options, Arc::new(SystemClock)).await.expect("Redis answers");
    Some(Arc::new(link))
}
