//! An append-only table in pages of fixed size, so that growing never moves a record.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

const PAGE_LEN: usize = 1 << 12;

/// Records by number, from 0.
#[derive(Clone, Debug)]
pub(crate) struct Dense<T> {
    pages: Vec<Vec<T>>,
    len: u32,
}

impl<T> Dense<T> {
    pub(crate) fn new() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Appends a record and returns its number.
    pub(crate) fn push(&mut self, record: T) -> u32 {
        let number = self.len;
        // Numbers are 32 bits wide by design; four thousand million records come first.
        self.len = number.checked_add(1).expect("fewer than 2^32 records");
        if (number as usize).is_multiple_of(PAGE_LEN) {
            self.pages.push(Vec::with_capacity(PAGE_LEN));
        }
        self.pages.last_mut().expect("a page was added if none had room").push(record);
        number
    }

    pub(crate) fn get(&self, number: usize) -> Option<&T> {
        self.pages.get(number / PAGE_LEN)?.get(number % PAGE_LEN)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flatten()
    }
}

impl<T> Index<usize> for Dense<T> {
    type Output = T;

    fn index(&self, number: usize) -> &T {
        &self.pages[number / PAGE_LEN][number % PAGE_LEN]
    }
}

impl<T> IndexMut<usize> for Dense<T> {
    fn index_mut(&mut self, number: usize) -> &mut T {
        &mut self.pages[number / PAGE_LEN][number % PAGE_LEN]
    }
}
