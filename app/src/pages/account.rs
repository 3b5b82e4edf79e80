use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_meta::Title;
use schema::account::{Account, Credentials, Deletion, NewPassword};

use crate::account::{Accounts, Answer, use_accounts};
use crate::components::{Loading, SecretField, SecretForm};
use crate::confirm::confirmed;
use crate::queries;
use crate::store::{Load, Status, changes, use_query, use_store, use_writer};

/// Who uses this browser: make an account, sign in and out, change the password, leave.
#[component]
pub fn AccountPage() -> impl IntoView {
    let who = RwSignal::new(Who::Asking);
    let accounts = use_accounts();
    let ask = Callback::new(move |()| {
        // A server does not ask: the page says that it is loading until it is live.
        let Some(accounts) = accounts.clone() else { return };
        who.set(Who::Asking);
        spawn_local(async move {
            who.try_set(match accounts.whose().await {
                Ok(Some(Account { name: Some(name), .. })) => Who::Named(name),
                Ok(Some(Account { name: None, .. })) => Who::Guest,
                Ok(None) => Who::Ended,
                Err(error) => Who::Unknown(error),
            });
        });
    });
    Effect::new(move || ask.run(()));
    view! {
        <Title text="Account" />
        <h1>"Account"</h1>
        {move || match who.get() {
            Who::Asking => view! { <p role="status">"Asking the server…"</p> }.into_any(),
            Who::Unknown(error) => {
                view! {
                    <p class="notice error" role="alert">
                        {error}
                        <button type="button" on:click=move |_| ask.run(())>
                            "Try again"
                        </button>
                    </p>
                }
                    .into_any()
            }
            Who::Guest => view! { <GuestAccount on_change=ask /> }.into_any(),
            Who::Named(name) => view! { <NamedAccount name /> }.into_any(),
            Who::Ended => view! { <EndedSession /> }.into_any(),
        }}
    }
}

#[derive(Clone, PartialEq)]
enum Who {
    Asking,
    Unknown(String),
    Guest,
    Named(String),
    Ended,
}

const NAME: SecretField = SecretField { label: "Name", autocomplete: "username" };
const PASSWORD: SecretField = SecretField { label: "Password", autocomplete: "current-password" };
const NEW_PASSWORD: SecretField = SecretField { label: "New password", autocomplete: "new-password" };

#[component]
fn GuestAccount(
    /// Called when the guest is one no more.
    on_change: Callback<()>,
) -> impl IntoView {
    let accounts = stored_accounts();
    let writer = use_writer();
    let lists = use_query(move || queries::lists(writer.user_id()));
    let create = move |values: Vec<String>| async move {
        port(accounts)?.create(credentials(values)).await?;
        on_change.run(());
        Ok(())
    };
    // The form is there once it is known what would stay behind.
    let sign_in = move |values: Vec<String>| async move {
        let question = "The lists that you made as a guest stay behind and cannot be reached any more. Create an account \
                        instead to keep them. Sign in all the same?";
        if !lists.is_empty() && !confirmed(question) {
            return Ok(());
        }
        port(accounts)?.sign_in(credentials(values)).await
    };
    view! {
        <p>
            "You are a guest: nothing but this browser's memory leads to your lists. With a name and a password you reach "
            "them from everywhere, and those with whom you share a list see who you are."
        </p>
        <section>
            <h2>"Create an account"</h2>
            <SecretForm
                label="Create an account"
                button="Create account"
                fields=&[NAME, NEW_PASSWORD]
                on_submit=create
            />
        </section>
        <section>
            <h2>"Sign in"</h2>
            <Loading load=lists.load />
            <Show when=move || lists.load.get() != Load::Loading>
                <SecretForm label="Sign in" button="Sign in" fields=&[NAME, PASSWORD] on_submit=sign_in />
            </Show>
        </section>
        <YourData />
        <section>
            <h2>"Leave"</h2>
            <Act
                label="Delete my data"
                class="danger"
                question=|| Some("Delete your lists, here and on the server, for good?".to_owned())
                act=|accounts| accounts.delete(Deletion { password: None })
            />
        </section>
    }
}

#[component]
fn NamedAccount(name: String) -> impl IntoView {
    let accounts = stored_accounts();
    let change = move |values: Vec<String>| async move {
        let [current, new] = two(values);
        port(accounts)?.change_password(NewPassword { current, new }).await
    };
    let delete = move |values: Vec<String>| async move {
        let question = "Delete your account with all lists that you own? They disappear for those with whom you share them, \
                        too, and nobody can bring them back.";
        if !confirmed(question) {
            return Ok(());
        }
        port(accounts)?.delete(Deletion { password: values.into_iter().next() }).await
    };
    view! {
        <p>"You are signed in as " <strong>{name}</strong> "."</p>
        <SignOut label="Sign out" />
        <section>
            <h2>"Change the password"</h2>
            <SecretForm
                label="Change the password"
                button="Change password"
                fields=&[PASSWORD, NEW_PASSWORD]
                done="The password is changed. Wherever else you were signed in, you are not any more."
                on_submit=change
            />
        </section>
        <YourData />
        <section>
            <h2>"Leave"</h2>
            <SecretForm
                label="Delete the account"
                button="Delete account"
                class="danger"
                fields=&[PASSWORD]
                on_submit=delete
            />
        </section>
    }
}

/// A copy of everything, to take along.
#[component]
fn YourData() -> impl IntoView {
    view! {
        <section>
            <h2>"Your data"</h2>
            <p>"Everything that you can read here, as one JSON file. What this device has not sent yet is not in it."</p>
            // For the server, and no page of the app's.
            <a href="/api/account/export" rel="external" download="my-data.json">
                "Download my data"
            </a>
        </section>
    }
}

#[component]
fn EndedSession() -> impl IntoView {
    let accounts = stored_accounts();
    let sign_in =
        move |values: Vec<String>| async move { port(accounts)?.sign_in(credentials(values)).await };
    view! {
        <p>
            "Your session has ended. Sign in to send what you have changed, and to receive what others have. Until then it "
            "stays on this device."
        </p>
        <SecretForm label="Sign in" button="Sign in" fields=&[NAME, PASSWORD] on_submit=sign_in />
        <section>
            <h2>"Somebody else?"</h2>
            <SignOut label="Delete what is on this device" />
        </section>
    }
}

/// Signs out, after a question where something would be lost.
#[component]
fn SignOut(label: &'static str) -> impl IntoView {
    let status = use_store().map(|store| store.status());
    let question = move || {
        let what = match status?.get_untracked() {
            Status { open: false, .. } => "What has".to_owned(),
            Status { waiting: 0, .. } => return None,
            Status { waiting, .. } => changes(waiting, "that has", "that have"),
        };
        Some(format!("{what} not been sent yet would be lost. Sign out all the same?"))
    };
    view! { <Act label question act=|accounts| accounts.sign_out() /> }
}

/// A button for what ends with another user than before.
#[component]
fn Act(
    label: &'static str,
    #[prop(optional)] class: &'static str,
    /// What is asked first, if anything.
    question: impl Fn() -> Option<String> + 'static,
    act: impl Fn(Arc<dyn Accounts>) -> Answer<()> + Copy + 'static,
) -> impl IntoView {
    let accounts = stored_accounts();
    let failure = RwSignal::new(None::<String>);
    let click = move |_| {
        if question().is_some_and(|question| !confirmed(&question)) {
            return;
        }
        spawn_local(async move {
            let done = async { act(port(accounts)?).await };
            failure.try_set(done.await.err());
        });
    };
    view! {
        <button type="button" class=class on:click=click>
            {label}
        </button>
        {move || failure.get().map(|error| view! { <p class="notice error" role="alert">{error}</p> })}
    }
}

type StoredAccounts = StoredValue<Option<Arc<dyn Accounts>>>;

fn stored_accounts() -> StoredAccounts {
    StoredValue::new(use_accounts())
}

fn port(accounts: StoredAccounts) -> Result<Arc<dyn Accounts>, String> {
    accounts.try_get_value().flatten().ok_or_else(|| "This page is not live yet.".to_owned())
}

fn credentials(values: Vec<String>) -> Credentials {
    let [name, password] = two(values);
    Credentials { name, password }
}

fn two(values: Vec<String>) -> [String; 2] {
    let mut values = values.into_iter();
    [values.next().unwrap_or_default(), values.next().unwrap_or_default()]
}
