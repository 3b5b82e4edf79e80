//! A connection that is given up when its client is too slow.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::limits;

/// A stream that fails when the head of a request takes longer than [`limits::HEAD`], or when its client takes nothing of
/// an answer for [`limits::STALLED`].
pub(super) struct Patient<S> {
    stream: S,
    patience: Patience,
    head: Pin<Box<Sleep>>,
    head_limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    stalled_limit: Duration,
}

/// How far the request on a stream has come.
#[derive(Clone)]
pub(super) struct Patience(Arc<Mutex<Stage>>);

#[derive(Clone, Copy)]
enum Stage {
    /// Nothing of the next request has come.
    Idle,
    /// A head is being read, until then.
    Head(Instant),
    /// The request is being answered.
    Answering,
}

impl Patience {
    /// The request is with its handler.
    pub(super) fn head_is_read(&self) {
        self.set(Stage::Answering);
    }

    /// The handler has answered.
    pub(super) fn is_answered(&self) {
        self.set(Stage::Idle);
    }

    fn set(&self, stage: Stage) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    fn stage(&self) -> Stage {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Patient<S> {
    /// The stream of a new connection, which is to be used for a request at once.
    pub(super) fn new(stream: S) -> (Patient<S>, Patience) {
        Patient::with_limits(stream, limits::HEAD, limits::STALLED)
    }

    fn with_limits(stream: S, head_limit: Duration, stalled_limit: Duration) -> (Patient<S>, Patience) {
        let deadline = Instant::now() + head_limit;
        let patience = Patience(Arc::new(Mutex::new(Stage::Head(deadline))));
        let head = Box::pin(sleep_until(deadline));
        let stream =
            Patient { stream, patience: patience.clone(), head, head_limit, stalled: None, stalled_limit };
        (stream, patience)
    }

    /// Fails when the head has taken too long. Else it sees to it that this is asked again when it has.
    fn poll_head(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Stage::Head(deadline) = self.patience.stage() else { return Ok(()) };
        if self.head.deadline() != deadline {
            self.head.as_mut().reset(deadline);
        }
        match self.head.as_mut().poll(context) {
            Poll::Ready(()) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the head of a request takes too long"))
            }
            Poll::Pending => Ok(()),
        }
    }

    fn poll_stalled(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let limit = self.stalled_limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing of what it is sent"))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before && matches!(self.patience.stage(), Stage::Idle) {
            self.patience.set(Stage::Head(Instant::now() + self.head_limit));
        }
        if read.is_pending() {
            self.poll_head(context)?;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, data);
        self.unless_stalled(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, data);
        self.unless_stalled(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S> Patient<S> {
    fn unless_stalled(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_pending() {
            return self.poll_stalled(context).map(Err);
        }
        self.stalled = None;
        written
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        time::timeout,
    };

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(3600);

    fn connection(head: Duration, stalled: Duration) -> (DuplexStream, Patient<DuplexStream>, Patience) {
        let (client, server) = duplex(16);
        let (server, patience) = Patient::with_limits(server, head, stalled);
        (client, server, patience)
    }

    async fn read(server: &mut Patient<DuplexStream>) -> io::Result<usize> {
        server.read(&mut [0; 16]).await
    }

    #[tokio::test]
    async fn a_head_that_is_not_complete_in_time_ends_the_connection() {
        let (_client, mut silent, _) = connection(SHORT, LONG);
        assert_eq!(read(&mut silent).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let (mut client, mut slow, patience) = connection(SHORT, LONG);
        patience.head_is_read();
        patience.is_answered();
        client.write_all(b"GET").await.unwrap();
        assert_eq!(read(&mut slow).await.unwrap(), 3);
        assert_eq!(
            read(&mut slow).await.unwrap_err().kind(),
            io::ErrorKind::TimedOut,
            "the next head has begun"
        );
    }

    #[tokio::test]
    async fn a_body_and_the_wait_for_the_next_request_may_take_longer() {
        let (_client, mut server, patience) = connection(SHORT, LONG);
        patience.head_is_read();
        assert!(timeout(SHORT * 3, read(&mut server)).await.is_err(), "a body is on its way");
        patience.is_answered();
        assert!(timeout(SHORT * 3, read(&mut server)).await.is_err(), "nothing is asked");
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (_client, mut server, _) = connection(LONG, SHORT);
        server.write_all(&[0; 16]).await.unwrap();
        assert_eq!(server.write_all(&[0; 8]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
