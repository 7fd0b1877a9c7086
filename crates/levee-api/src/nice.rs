//! Which threads go before others when processors are short.

use rustix::io;
use rustix::process::{getpriority_process, setpriority_process};
use rustix::thread::gettid;

/// Adds to this thread's niceness: below 0 it goes before others, above 0 behind them. Threads that
/// it starts later begin with it.
///
/// # Errors
/// The system does not permit it; going before others needs `CAP_SYS_NICE` or a limit that allows it.
pub fn add(nice: i32) -> io::Result<()> {
    // On Linux niceness is a thread's, not a process's.
    let thread = Some(gettid());
    setpriority_process(thread, getpriority_process(thread)? + nice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn niceness_is_a_threads_own() {
        let own = || getpriority_process(Some(gettid())).expect("always told");
        let before = own();
        let of_thread = std::thread::spawn(move || {
            add(1).expect("going behind is always permitted");
            own()
        });
        assert_eq!(of_thread.join().expect("no panic"), before + 1);
        assert_eq!(own(), before);
    }
}
