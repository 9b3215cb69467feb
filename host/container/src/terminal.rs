//! Terminal sizes, for whoever may not use `unsafe`.

use std::os::fd::{AsFd, AsRawFd};

/// (columns, rows) of the terminal behind a descriptor; `None` when it is none or has no size.
pub fn window_size(terminal: &impl AsFd) -> Option<(u16, u16)> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ fills one winsize; a descriptor that is no terminal answers with an error.
    let done = unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &mut size) };
    (done == 0 && size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}
