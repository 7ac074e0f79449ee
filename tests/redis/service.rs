//! A service whose limits are counted in a Redis that goes away.

use tickerd::adapters::provider::Secret;
use tickerd::app::config::CacheBackend;

use crate::app::TestApp;
use crate::server::RedisServer;

const KEY: &str = "an-old-clients-key";

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_while_redis_is_away_and_the_fallback_is_counted() {
    if crate::full::is_wanted() {
        return;
    }
    let Some(mut server) = RedisServer::start(&[]).await else { return };
    let app = TestApp::start_with(|config| {
        config.cache.backend = Some(CacheBackend::Redis);
        config.cache.redis_url = Secret::new(server.url());
        config.access.api_key = Secret::new(KEY);
        config.limits.requests = 10.try_into().expect("a count");
    })
    .await;
    let statuses = async |n_requests: u32| {
        let mut statuses = Vec::new();
        for _ in 0..n_requests {
            let request = app.http.get(format!("{}/prices", app.base)).bearer_auth(KEY);
            statuses.push(app.send(request).await.status);
        }
        statuses
    };
    let fallbacks = async || {
        let metrics = app.get("/metrics").await.text;
        let mut lines = metrics.lines();
        let count = lines.find_map(|line| line.strip_prefix("tickerd_limiter_fallbacks_total "));
        count.map_or(0, |count| count.parse::<u64>().expect("a count"))
    };
    assert_eq!(statuses(6).await, [200; 6]);
    // All tests of this process count together.
    let before = fallbacks().await;
    server.kill();
    assert_eq!(statuses(4).await, [200; 4], "it is served without Redis");
    assert_eq!(statuses(3).await, [429; 3], "and not without limit");
    assert!(fallbacks().await >= before + 7);
    app.stop().await;
}
