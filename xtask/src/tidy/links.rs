//! Links between the documents.

use std::path::Path;

use anyhow::Result;

use super::Project;
use crate::markdown;
use crate::repo::Finding;

/// Every relative link leads to a file or folder that exists.
pub(super) fn lead_to_files(project: &Project) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in project.repo.with_ending(".md") {
        for (line, target) in markdown::links(&project.repo.read(path)?) {
            let Some(file) = file_of(path, &target) else { continue };
            if !project.repo.root.join(&file).exists() {
                let text = format!("the link to {target} leads nowhere; correct or remove it");
                findings.push(Finding::new(path, line, text));
            }
        }
    }
    Ok(findings)
}

/// The file that a link means, from the root, or nothing for other sites and places in the page.
fn file_of(document: &str, target: &str) -> Option<String> {
    let path = target.split(['#', '?']).next().filter(|path| !path.is_empty())?;
    if path.starts_with("//") || path.split('/').next()?.contains(':') {
        return None;
    }
    let path = path.replace("%20", " ");
    if let Some(path) = path.strip_prefix('/') {
        return Some(path.to_owned());
    }
    let folder = Path::new(document).parent()?;
    Some(folder.join(path).to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_resolved() {
        let table = [
            ("README.md", "docs/a.md", Some("docs/a.md")),
            ("docs/a.md", "b.md#part", Some("docs/b.md")),
            ("docs/a.md", "../LICENSE", Some("docs/../LICENSE")),
            ("docs/a.md", "/LICENSE", Some("LICENSE")),
            ("docs/a.md", "with%20space.md", Some("docs/with space.md")),
            ("docs/a.md", "#part", None),
            ("docs/a.md", "https://example.org/x", None),
            ("docs/a.md", "mailto:a@example.org", None),
        ];
        for (document, target, expected) in table {
            assert_eq!(file_of(document, target).as_deref(), expected, "{document} {target}");
        }
    }
}
