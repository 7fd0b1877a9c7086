//! Crowds, the independent audit and the reports.
