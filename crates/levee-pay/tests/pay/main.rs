//! The port from outside, against what `golden/make.sh` made with openssl. Where the time is not
//! said, it is [`NOW_S`], one second after everything there was signed.
//!
//! What providers' own libraries say of the same is checked by `cargo xtask sdk`.

mod alipay;
mod bills;
mod keys;
mod stripe;
mod support;
mod wechat;

/// 2026-02-06 09:00:02 in Beijing.
const NOW_S: u64 = 1_770_339_602;

const NUMBER: &str = "pay_0123456789abcdef";
const BACK: &str = "pay_0123456789abcdef_r1";

/// A file of `golden/`.
macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!("golden/", $name))
    };
}
use golden;
