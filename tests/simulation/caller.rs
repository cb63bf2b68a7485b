//! A request on the data path: it uses the current token or waits for one, and repeats once.

use std::sync::Arc;
use std::time::Duration;

use bearerd::clock::Clock;
use bearerd::token::grant::Token;
use bearerd::token::handle::TokenHandle;

use crate::log::{Event, Owner, Seen};
use crate::mutation::Mutation;
use crate::world::Life;

/// One request.
pub struct Caller {
    pub life: Arc<Life>,
    pub owner: Owner,
    pub handle: TokenHandle,
    pub repeatable: bool,
    pub patience: Duration,
}

impl Caller {
    pub async fn run(self) {
        self.life.beat().await;
        let id = self.life.world.next_id();
        self.life.log(Event::Called { id, owner: self.owner, patience: self.patience });
        let begun = self.life.world.time.awake();
        let first = match self.handle.current(self.life.clock.now()) {
            Some(token) => Some(token),
            None => self.handle.usable(self.patience).await.ok(),
        };
        self.got(id, begun, first.as_deref()).await;
        let Some(first) = first else { return };
        if self.send(id, &first, false).await {
            return self.handle.accepted(first.generation);
        }
        if !self.repeatable {
            return self.handle.rejected(first.generation);
        }
        let begun = self.life.world.time.awake();
        let second = self.handle.renewed_after(first.generation, self.patience).await;
        self.got(id, begun, second.as_deref()).await;
        let Some(second) = second else { return };
        let second = if self.life.world.breaks(Mutation::RepeatsTheSame) { first } else { second };
        if self.send(id, &second, true).await {
            self.handle.accepted(second.generation);
        } else {
            self.handle.rejected(second.generation);
        }
    }

    async fn got(&self, id: u32, begun: Duration, token: Option<&Token>) {
        let world = &self.life.world;
        if token.is_none() && world.mutation == Some(Mutation::AnswersLate) {
            tokio::time::sleep(self.patience + Duration::from_secs(1)).await;
        }
        let after = world.time.awake() - begun;
        let token = token.map(|token| token.generation.0);
        self.life.log(Event::GotToken { id, owner: self.owner, after, token });
    }

    /// Sends the request, and returns whether the API accepted the token.
    async fn send(&self, id: u32, token: &Token, again: bool) -> bool {
        let world = &self.life.world;
        let asked_for = self.owner.subject + u32::from(world.breaks(Mutation::MixesSubjects));
        let accepted = world.state().server.accepts(world.time.now(), token.access.expose(), asked_for);
        let token = seen(&self.life, token);
        if world.breaks(Mutation::RevokesInUse) {
            self.life.log(Event::Revoked { owner: self.owner, access: token.access.clone() });
        }
        self.life.log(Event::Forwarded { id, owner: self.owner, token, asked_for, again, accepted });
        tokio::time::sleep(world.while_of(100)).await;
        accepted
    }
}

fn seen(life: &Life, token: &Token) -> Seen {
    let expires = token.expires().map(|end| life.clock.in_world(end));
    Seen { access: token.access.expose().to_owned(), generation: token.generation.0, expires }
}

/// Records what a reader sees now.
pub fn look(life: &Life, owner: Owner, handle: &TokenHandle) {
    let lost = life.world.breaks(Mutation::LosesToken) && life.world.while_of(2).as_millis() == 1;
    let token = handle.current(life.clock.now()).filter(|_| !lost);
    life.log(Event::Looked { owner, token: token.map(|token| seen(life, &token)) });
}
