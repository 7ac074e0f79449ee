//! Members of a group who come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tickerd::adapters::bus::kafka::KafkaBus;
use tickerd::ports::EventBus;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::{Effects, events, eventually};

/// A consumer that can be told to leave.
struct Member {
    leave: CancellationToken,
    n_delivered: Arc<AtomicUsize>,
}

/// A group on one bus, to which events are published all the time.
struct Group {
    bus: Arc<KafkaBus>,
    effects: Arc<Effects>,
    members: JoinSet<()>,
    next: AtomicU64,
}

impl Group {
    fn join(&mut self) -> Member {
        let member =
            Member { leave: CancellationToken::new(), n_delivered: Arc::new(AtomicUsize::new(0)) };
        let (leave, n_delivered) = (member.leave.clone(), Arc::clone(&member.n_delivered));
        let (bus, effects) = (Arc::clone(&self.bus), Arc::clone(&self.effects));
        self.members.spawn(async move {
            let mut subscription = effects.join(&bus).await;
            while let Some(next) = leave.run_until_cancelled(subscription.next(50)).await {
                let deliveries = next.expect("deliveries");
                n_delivered.fetch_add(deliveries.len(), Ordering::SeqCst);
                if leave.is_cancelled() {
                    // Gone between delivery and effect: somebody else gets these.
                    return;
                }
                effects.apply(&deliveries);
                subscription.ack().await.expect("acknowledged");
            }
        });
        member
    }

    async fn publish(&self) {
        let first = self.next.fetch_add(200, Ordering::SeqCst);
        self.bus.publish(events(first..first + 200)).await.expect("published");
    }

    /// Publishes until a member has had a share of it.
    async fn until_works(&self, member: &Member) {
        let before = member.n_delivered.load(Ordering::SeqCst);
        eventually("the member gets a share", async || {
            self.publish().await;
            (member.n_delivered.load(Ordering::SeqCst) > before).then_some(())
        })
        .await;
    }
}

async fn members_who_come_and_go_lose_nothing(bus: Arc<KafkaBus>) {
    let mut group = Group {
        bus,
        effects: Arc::new(Effects::default()),
        members: JoinSet::new(),
        next: AtomicU64::new(1),
    };
    let first = group.join();
    group.until_works(&first).await;
    let second = group.join();
    group.until_works(&second).await;
    group.until_works(&first).await;
    let third = group.join();
    group.until_works(&third).await;
    first.leave.cancel();
    second.leave.cancel();
    group.until_works(&third).await;
    let fourth = group.join();
    group.until_works(&fourth).await;
    let published = group.next.load(Ordering::SeqCst);
    eventually("all is seen", async || {
        (group.effects.n_seen() as u64 == published - 1).then_some(())
    })
    .await;
    group.effects.assert_all(1..published);
    third.leave.cancel();
    fourth.leave.cancel();
    while let Some(ended) = group.members.join_next().await {
        ended.expect("no member failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_mock_cluster_members_who_come_and_go_lose_nothing() {
    members_who_come_and_go_lose_nothing(crate::kafka::mock_bus().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_broker_members_who_come_and_go_lose_nothing() {
    if let Some(bus) = crate::kafka::broker_bus().await {
        members_who_come_and_go_lose_nothing(bus).await;
    }
}
