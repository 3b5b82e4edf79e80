//! A connection that is given up when its client is too slow.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
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
    stalled: Option<Pin<Box<Sleep>>>,
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
        let deadline = Instant::now() + limits::HEAD;
        let patience = Patience(Arc::new(Mutex::new(Stage::Head(deadline))));
        let head = Box::pin(sleep_until(deadline));
        (Patient { stream, patience: patience.clone(), head, stalled: None }, patience)
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
        let stalled =
            self.stalled.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limits::STALLED)));
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
            self.patience.set(Stage::Head(Instant::now() + limits::HEAD));
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
