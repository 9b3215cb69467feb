//! A request that is refused for now is sent again, less and less often.

use std::time::Duration;

use crate::connection::ConnectionError;

const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Sends until it is answered for good; six tries take some three seconds.
pub async fn retry<T, F>(mut send: impl FnMut() -> F) -> Result<T, ConnectionError>
where
    F: Future<Output = Result<T, ConnectionError>>,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match send().await {
            Err(error) if error.is_passing() => tracing::debug!(%error, "trying again"),
            answer => return answer,
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    send().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn refused(code: u16) -> ConnectionError {
        ConnectionError::Refused { code, reason: String::new(), message: String::new() }
    }

    #[tokio::test(start_paused = true)]
    async fn passing_errors_are_tried_again_others_are_not() {
        let tries = Cell::new(0);
        let send = || {
            tries.set(tries.get() + 1);
            std::future::ready(if tries.get() < 3 { Err(refused(503)) } else { Ok(()) })
        };
        assert!(retry(send).await.is_ok());
        assert_eq!(tries.get(), 3);
        tries.set(0);
        let send = || {
            tries.set(tries.get() + 1);
            std::future::ready(Err::<(), _>(refused(404)))
        };
        assert_eq!(retry(send).await.unwrap_err().code(), Some(404));
        assert_eq!(tries.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_with_the_last_reason() {
        let tries = Cell::new(0);
        let send = || {
            tries.set(tries.get() + 1);
            std::future::ready(Err::<(), _>(refused(500)))
        };
        assert_eq!(retry(send).await.unwrap_err().code(), Some(500));
        assert_eq!(tries.get(), TRIES);
    }
}
