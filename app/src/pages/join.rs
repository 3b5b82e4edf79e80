use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_meta::Title;
use leptos_router::NavigateOptions;
use leptos_router::components::A;
use leptos_router::hooks::{use_navigate, use_params_map};
use schema::sharing::{InvitationPreview, Role};

use crate::invitations::{InvitationError, use_invitations};
use crate::queries;
use crate::store::{Load, use_query};

/// Where a link leads by which people join a list.
#[component]
pub fn JoinPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get("id").unwrap_or_default()));
    let step = RwSignal::new(Step::Asking);
    let invitations = StoredValue::new(use_invitations());
    let ask = move |id: String| {
        let Some(invitations) = invitations.get_value() else { return };
        step.set(Step::Asking);
        let answer = invitations.preview(id);
        spawn_local(async move {
            step.try_set(answer.await.map_or_else(Step::from, Step::Invited));
        });
    };
    // Effects run in the browser after hydration only, so the first render equals the server's.
    Effect::new(move || ask(id.get()));
    let join = Callback::new(move |()| {
        let Some(invitations) = invitations.get_value() else { return };
        step.set(Step::Joining);
        let answer = invitations.join(id.get_untracked());
        spawn_local(async move {
            step.try_set(answer.await.map_or_else(Step::from, |joined| Step::Joined(joined.list_id)));
        });
    });
    view! {
        <Title text="Join a list" />
        {move || match step.get() {
            Step::Asking => view! { <Waiting sentence="Looking at the invitation…" /> }.into_any(),
            Step::Invited(invitation) if invitation.member => view! { <Member invitation /> }.into_any(),
            Step::Invited(invitation) => view! { <Invited invitation join /> }.into_any(),
            Step::Joining => view! { <Waiting sentence="Joining the list…" /> }.into_any(),
            Step::Joined(list_id) => view! { <Arrival list_id /> }.into_any(),
            Step::NotValid => view! { <NotValid /> }.into_any(),
            Step::Failed(error) => {
                view! {
                    <h1>"Join a list"</h1>
                    <p class="notice error" role="alert">
                        {error}
                        <button type="button" on:click=move |_| ask(id.get_untracked())>
                            "Try again"
                        </button>
                    </p>
                }
                    .into_any()
            }
        }}
    }
}

/// How far joining has come.
#[derive(Clone, PartialEq)]
enum Step {
    Asking,
    Invited(InvitationPreview),
    Joining,
    Joined(String),
    NotValid,
    Failed(String),
}

impl From<InvitationError> for Step {
    fn from(error: InvitationError) -> Step {
        match error {
            InvitationError::NotValid => Step::NotValid,
            InvitationError::Failed(sentence) => Step::Failed(sentence),
        }
    }
}

#[component]
fn Waiting(sentence: &'static str) -> impl IntoView {
    view! {
        <h1>"Join a list"</h1>
        <p class="empty" role="status">
            {sentence}
        </p>
    }
}

#[component]
fn Invited(invitation: InvitationPreview, join: Callback<()>) -> impl IntoView {
    let (role, rights) = match invitation.role {
        Role::Reader => ("a reader", "You will see the list and its todos, and cannot change them."),
        Role::Editor | Role::Owner => {
            ("an editor", "You will see the list and its todos, and can change them.")
        }
    };
    view! {
        <h1>{format!("Join the list “{}” as {role}", invitation.list_name)}</h1>
        <p>{rights}</p>
        <button type="button" on:click=move |_| join.run(())>
            "Join list"
        </button>
    }
}

#[component]
fn Member(invitation: InvitationPreview) -> impl IntoView {
    view! {
        <h1>"Join a list"</h1>
        <p>
            "You are on this list already: "
            <A href=format!("/lists/{}", invitation.list_id)>{invitation.list_name}</A>
        </p>
    }
}

/// Goes to the list as soon as it is on this device: before, its page would say that there is none.
#[component]
fn Arrival(list_id: String) -> impl IntoView {
    let page = format!("/lists/{list_id}");
    let list = use_query(move || queries::list(list_id.clone()));
    let navigate = use_navigate();
    Effect::new(move || {
        if list.load.get() == Load::Ready && !list.rows.with(Vec::is_empty) {
            // Who goes back does not mean to join again.
            navigate(&page, NavigateOptions { replace: true, ..Default::default() });
        }
    });
    view! { <Waiting sentence="You are on the list now. It is being downloaded…" /> }
}

#[component]
fn NotValid() -> impl IntoView {
    view! {
        <h1>"This link is not valid any more"</h1>
        <p>
            "It has expired or been used, it was revoked, or its list was deleted. Ask for a new one. " <A href="/">"All lists"</A>
        </p>
    }
}
