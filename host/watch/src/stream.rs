use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use futures::Stream;
use orch_store::Revision;
use tokio::sync::mpsc;

use crate::cache::{Expired, Shared};
use crate::object::Event;
use crate::prefix;

/// Events copied from the window at a time.
const CHUNK: usize = 256;

/// The events of a prefix in revision order, without gap or duplicate.
///
/// Reads the window until it has caught up, then is told live. When it falls behind by more than
/// its buffer it goes back to the window. Ends with [`Expired`] once the window no longer reaches
/// back to where it stands, and without an error when the cache is dropped.
pub struct Watch {
    shared: Arc<Shared>,
    prefix: Box<str>,
    /// Nothing up to here is left to deliver.
    position: Revision,
    behind: VecDeque<Arc<Event>>,
    live: Option<Live>,
    ended: bool,
}

struct Live {
    id: u64,
    events: mpsc::Receiver<Weak<Event>>,
}

impl Watch {
    pub(crate) fn new(shared: Arc<Shared>, prefix: &str, after: Revision) -> Self {
        let prefix = prefix.into();
        Watch { shared, prefix, position: after, behind: VecDeque::new(), live: None, ended: false }
    }

    /// The revision up to which everything has been delivered: what a bookmark may say now.
    pub fn bookmark(&mut self) -> Revision {
        // Holding the lock keeps the feed from sending between the two looks.
        let state = self.shared.state.read();
        let drained =
            self.live.as_ref().is_some_and(|live| live.events.is_empty() && !live.events.is_closed());
        if self.behind.is_empty() && drained {
            self.position = self.position.max(state.revision);
        }
        self.position
    }

    /// Takes the next events from the window, or joins the live ones when there are none.
    /// False: the cache is gone.
    fn catch_up(&mut self) -> Result<bool, Expired> {
        if self.read_window()? {
            return Ok(true);
        }
        let mut state = self.shared.state.write();
        if state.closed {
            return Ok(false);
        }
        // Something may have come since the look at the window: then look again.
        state.window.reaches(self.position)?;
        if !state.window.after(self.position).any(|event| prefix::selects(&self.prefix, event.key())) {
            let (id, events) = state.watchers.add(&self.prefix, self.shared.options.watcher_buffer);
            self.position = self.position.max(state.revision);
            self.live = Some(Live { id, events });
        }
        Ok(true)
    }

    /// True when it found events.
    fn read_window(&mut self) -> Result<bool, Expired> {
        let state = self.shared.state.read();
        state.window.reaches(self.position)?;
        let events = state.window.after(self.position);
        let selected = events.filter(|event| prefix::selects(&self.prefix, event.key()));
        self.behind.extend(selected.take(CHUNK).cloned());
        if self.behind.is_empty() {
            // Passed over events of others need no second look.
            self.position = self.position.max(state.revision);
        }
        Ok(!self.behind.is_empty())
    }

    /// Is told live no more.
    fn leave(&mut self) {
        if let Some(live) = self.live.take() {
            self.shared.state.write().watchers.remove(&self.prefix, live.id);
        }
    }

    fn deliver(&mut self, event: Arc<Event>) -> Arc<Event> {
        self.position = event.revision();
        event
    }
}

impl Stream for Watch {
    type Item = Result<Arc<Event>, Expired>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if this.ended {
                return Poll::Ready(None);
            }
            if let Some(event) = this.behind.pop_front() {
                return Poll::Ready(Some(Ok(this.deliver(event))));
            }
            if let Some(live) = &mut this.live {
                match ready!(live.events.poll_recv(context)).as_ref().and_then(Weak::upgrade) {
                    // A watch may begin in the future.
                    Some(event) if event.revision() <= this.position => continue,
                    Some(event) => return Poll::Ready(Some(Ok(this.deliver(event)))),
                    // Cut off, or so slow that the window has passed by: the window tells which.
                    None => this.leave(),
                }
            }
            match this.catch_up() {
                Ok(true) => {}
                Ok(false) => this.ended = true,
                Err(expired) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(expired)));
                }
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.leave();
    }
}
