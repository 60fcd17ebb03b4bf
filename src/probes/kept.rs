//! What checks have found out and what others need too: kept for a while, so that a thousand checks of a service are not a
//! thousand readers of a file, or questions to a resolver.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::outcome::Stop;

/// How old what was found may be: what has changed counts after so long.
const FRESH: Duration = Duration::from_secs(30);

/// What was found, by what it was sought for.
///
/// What finds it may hang for as long as it likes, in a file system or the system's resolver, and nobody can interrupt it.
/// So it has a thread of its own, which outlives a check whose time is over, and keeps what it finds then for the next one;
/// there is one thread for a key at most, and a fixed number of them in all.
#[derive(Debug)]
pub(super) struct Kept<K, V> {
    found: Arc<Mutex<Found<K, V>>>,
    /// One for each key that somebody seeks or waits for.
    turns: Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>,
    seekers: Arc<Semaphore>,
}

#[derive(Debug)]
struct Found<K, V> {
    values: HashMap<K, (Instant, Arc<V>)>,
    /// When those that are old went.
    cleaned: Instant,
}

impl<K: Hash + Eq + Clone + Send + 'static, V: Send + Sync + 'static> Kept<K, V> {
    /// Nothing yet. So many threads seek at once at most.
    pub(super) fn new(seekers: usize) -> Self {
        let found = Found { values: HashMap::new(), cleaned: Instant::now() };
        Self { found: Arc::new(Mutex::new(found)), turns: Mutex::default(), seekers: Arc::new(Semaphore::new(seekers)) }
    }

    /// What was found lately, or is sought now.
    ///
    /// # Errors
    /// What `seek` says.
    pub(super) async fn get(
        &self,
        key: &K,
        seek: impl FnOnce(&K) -> Result<V, Stop> + Send + 'static,
    ) -> Result<Arc<V>, Stop> {
        if let Some(value) = lock(&self.found).fresh(key) {
            return Ok(value);
        }
        let turn = self.turn(key).lock_owned().await;
        let seeker = Arc::clone(&self.seekers).acquire_owned().await.expect("it is never closed");
        // The one before us has sought the same.
        if let Some(value) = lock(&self.found).fresh(key) {
            return Ok(value);
        }
        let (key, found) = (key.clone(), Arc::clone(&self.found));
        let seeking = spawn_blocking(move || {
            // Both go with the thread: a check whose time is over leaves it behind, and it still counts.
            let _held = (turn, seeker);
            let value = Arc::new(seek(&key)?);
            lock(&found).keep(key, &value);
            Ok(value)
        });
        seeking.await.unwrap_or_else(|error| Err(Stop::ours(format!("nobody found out: {error}"))))
    }

    /// What was found is of no use.
    pub(super) fn forget(&self, key: &K) {
        lock(&self.found).values.remove(key);
    }

    fn turn(&self, key: &K) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = lock(&self.turns);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(key.clone()).or_default())
    }
}

impl<K: Hash + Eq, V> Found<K, V> {
    fn fresh(&self, key: &K) -> Option<Arc<V>> {
        let found = self.values.get(key);
        found.filter(|(since, _)| since.elapsed() < FRESH).map(|(_, value)| Arc::clone(value))
    }

    fn keep(&mut self, key: K, value: &Arc<V>) {
        // What nobody has asked for since belongs to checks that are no more.
        if self.cleaned.elapsed() >= FRESH {
            self.values.retain(|_, (since, _)| since.elapsed() < FRESH);
            self.cleaned = Instant::now();
        }
        self.values.insert(key, (Instant::now(), Arc::clone(value)));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use tokio::time::timeout;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn what_is_found_too_late_is_there_for_the_next_one() {
        let kept = Kept::<u8, &str>::new(8);
        let (go, wait) = mpsc::channel::<()>();
        let slow = move |_: &u8| {
            let _ = wait.recv();
            Ok("found")
        };
        assert!(timeout(SHORT, kept.get(&1, slow)).await.is_err());
        drop(go);
        let found = kept.get(&1, |_| Err(Stop::ours("it was sought again"))).await;
        assert_eq!(found.as_deref(), Ok(&"found"));
        kept.forget(&1);
        assert!(kept.get(&1, |_| Err(Stop::ours("gone"))).await.is_err());
    }

    /// Whatever hangs, others are found, and it takes one thread however often it is asked for.
    #[tokio::test]
    async fn who_hangs_takes_one_thread_and_holds_up_nobody_else() {
        let kept = Kept::<u8, u8>::new(2);
        let (never, hangs) = mpsc::channel::<()>();
        let (hangs, asked) = (Arc::new(Mutex::new(hangs)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..5 {
            let (hangs, asked) = (Arc::clone(&hangs), Arc::clone(&asked));
            let hang = move |_: &u8| {
                asked.fetch_add(1, Ordering::SeqCst);
                let _ = lock(&hangs).recv();
                Ok(0)
            };
            assert!(timeout(SHORT, kept.get(&1, hang)).await.is_err());
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert_eq!(kept.get(&2, |_| Ok(2)).await.as_deref(), Ok(&2));
        assert!(lock(&kept.turns).len() <= 2, "who hangs, and the last one");
        drop(never);
    }
}
