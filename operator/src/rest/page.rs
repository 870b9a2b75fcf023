//! Lists come in pages, with links to the others.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{FromRequestParts, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::Serialize;

/// Entries of a page when the caller does not say.
const LIMIT: u64 = 10;
/// Entries of the largest page; a larger limit is lowered to it.
const MOST: u64 = 1000;

/// Position and length of the page, and the other parameters.
#[derive(Clone, Debug)]
pub(super) struct ListParams {
    path: String,
    parameters: BTreeMap<String, String>,
    pub(super) limit: u64,
    pub(super) offset: u64,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Page<T> {
    meta: Meta,
    links: Links,
    data: Vec<T>,
}

/// About the list as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Meta {
    /// Entries on all pages together
    #[schemars(example = 123)]
    count: u64,
}

/// Where other pages are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Links {
    first: Option<String>,
    next: Option<String>,
    previous: Option<String>,
    last: Option<String>,
}

impl ListParams {
    fn of(uri: &Uri) -> Self {
        let Query(parameters): Query<BTreeMap<String, String>> =
            Query::try_from_uri(uri).unwrap_or_default();
        let number = |name: &str| {
            parameters
                .get(name)
                .and_then(|text| text.parse::<u64>().ok())
        };
        Self {
            path: uri.path().to_owned(),
            // Invalid numbers are ignored, as the original does.
            limit: number("limit")
                .filter(|limit| *limit > 0)
                .unwrap_or(LIMIT)
                .min(MOST),
            offset: number("offset").unwrap_or(0).min(i64::MAX as u64),
            parameters,
        }
    }

    /// Another parameter, if it is there and not empty.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let value = self.parameters.get(name)?;
        (!value.is_empty()).then_some(value)
    }

    /// The page, of a list of `count` entries.
    pub(super) fn page<T>(&self, count: u64, data: Vec<T>) -> Json<Page<T>> {
        let (limit, offset) = (self.limit, self.offset);
        let links = Links {
            first: Some(self.link(0)),
            next: (offset.saturating_add(limit) < count).then(|| self.link(offset + limit)),
            previous: (offset > 0).then(|| self.link(offset.saturating_sub(limit))),
            last: Some(self.link(count.saturating_sub(limit))),
        };
        Json(Page {
            meta: Meta { count },
            links,
            data,
        })
    }

    /// The part of a list that is on the page.
    pub(super) fn page_of<T>(&self, mut list: Vec<T>) -> Vec<T> {
        let skip = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let take = usize::try_from(self.limit).unwrap_or(usize::MAX);
        list.drain(..skip.min(list.len()));
        list.truncate(take);
        list
    }

    /// The page, of a list that is in memory.
    pub(super) fn paginate<T>(&self, list: Vec<T>) -> Json<Page<T>> {
        self.page(list.len() as u64, self.page_of(list))
    }

    fn link(&self, offset: u64) -> String {
        let mut parameters = self.parameters.clone();
        parameters.insert("limit".into(), self.limit.to_string());
        parameters.insert("offset".into(), offset.to_string());
        let pairs: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        format!("{}?{}", self.path, pairs.join("&"))
    }
}

fn encoded(text: &str) -> percent_encoding::PercentEncode<'_> {
    percent_encoding::utf8_percent_encode(text, PLAIN)
}

/// Characters that need no encoding in a query.
const PLAIN: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b':');

impl<S: Sync> FromRequestParts<S> for ListParams {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.uri))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("", 10, 0)]
    #[case::given("?limit=5&offset=20", 5, 20)]
    #[case::none("?limit=0", 10, 0)]
    #[case::negative("?limit=-1&offset=-1", 10, 0)]
    #[case::words("?limit=many&offset=x", 10, 0)]
    #[case::too_many("?limit=100000", 1000, 0)]
    #[case::huge("?offset=99999999999999999999", 10, 0)]
    fn limits(#[case] query: &str, #[case] limit: u64, #[case] offset: u64) {
        let params = ListParams::of(&format!("/list/{query}").parse().unwrap());
        assert_eq!((params.limit, params.offset), (limit, offset));
    }

    #[rstest]
    #[case::only_page("", 3, None, None, "/list/?limit=10&offset=0")]
    #[case::empty("", 0, None, None, "/list/?limit=10&offset=0")]
    #[case::first(
        "?limit=2",
        5,
        Some("/list/?limit=2&offset=2"),
        None,
        "/list/?limit=2&offset=3"
    )]
    #[case::middle(
        "?limit=2&offset=2",
        5,
        Some("/list/?limit=2&offset=4"),
        Some("/list/?limit=2&offset=0"),
        "/list/?limit=2&offset=3"
    )]
    #[case::last(
        "?limit=2&offset=4",
        5,
        None,
        Some("/list/?limit=2&offset=2"),
        "/list/?limit=2&offset=3"
    )]
    #[case::beyond(
        "?limit=2&offset=40",
        5,
        None,
        Some("/list/?limit=2&offset=38"),
        "/list/?limit=2&offset=3"
    )]
    #[case::other_parameters(
        "?architecture=x86_64%20&limit=2",
        2,
        None,
        None,
        "/list/?architecture=x86_64%20&limit=2&offset=0"
    )]
    fn links(
        #[case] query: &str,
        #[case] count: u64,
        #[case] next: Option<&str>,
        #[case] previous: Option<&str>,
        #[case] last: &str,
    ) {
        let params = ListParams::of(&format!("/list/{query}").parse().unwrap());
        let Json(page) = params.page::<u8>(count, Vec::new());
        assert_eq!(
            (
                page.links.next.as_deref(),
                page.links.previous.as_deref(),
                page.links.last.as_deref()
            ),
            (next, previous, Some(last))
        );
    }
}
