//! The keys that open the service, and the secret it signs with.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};

use crate::model::{ApiKey, KeyId, Role, Timestamp};
use crate::ports::KeyStore;

use super::error::{Result, corrupt, translate};
use super::rows::{get, timestamp};
use super::store::PostgresStore;

/// Every key, the first created first.
pub(super) async fn all(connection: &mut PgConnection) -> Result<Vec<ApiKey>> {
    let rows = sqlx::query(
        "select id, name, role, secret_hash, created_at, expires_at, last_used_at, revoked_at \
           from api_keys order by created_at, id",
    )
    .fetch_all(connection)
    .await
    .map_err(translate)?;
    rows.iter().map(key).collect()
}

/// Keeps a key unless its id is taken.
pub(super) async fn add(connection: &mut PgConnection, key: &ApiKey) -> Result<bool> {
    let added = sqlx::query(
        "insert into api_keys (id, name, role, secret_hash, created_at, expires_at, last_used_at, \
                               revoked_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing",
    )
    .bind(key.id.to_string())
    .bind(key.name.as_deref())
    .bind(key.role.name())
    .bind(key.secret_hash.to_vec())
    .bind(key.created_at.to_utc())
    .bind(key.expires_at.map(Timestamp::to_utc))
    .bind(key.last_used_at.map(Timestamp::to_utc))
    .bind(key.revoked_at.map(Timestamp::to_utc))
    .execute(connection)
    .await
    .map_err(translate)?;
    Ok(added.rows_affected() > 0)
}

fn key(row: &PgRow) -> Result<ApiKey> {
    let secret_hash: Vec<u8> = get(row, 3)?;
    let optional = |index| get::<Option<_>>(row, index)?.map(timestamp).transpose();
    Ok(ApiKey {
        id: KeyId::parse(get(row, 0)?).map_err(corrupt)?,
        name: get(row, 1)?,
        role: Role::parse(get(row, 2)?).map_err(corrupt)?,
        secret_hash: secret_hash.try_into().map_err(|_| corrupt("a hash has 32 bytes"))?,
        created_at: timestamp(get(row, 4)?)?,
        expires_at: optional(5)?,
        last_used_at: optional(6)?,
        revoked_at: optional(7)?,
    })
}

#[async_trait]
impl KeyStore for PostgresStore {
    async fn create_key(&self, key: ApiKey) -> Result<bool> {
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                let is_new = add(&mut transaction, &key).await?;
                self.conclude(&mut transaction, &is_new).await?;
                transaction.commit().await.map_err(translate)?;
                Ok(is_new)
            })
            .await
    }

    async fn keys(&self) -> Result<Vec<ApiKey>> {
        self.db
            .within(async {
                let mut connection = self.db.pool.acquire().await.map_err(translate)?;
                all(&mut connection).await
            })
            .await
    }

    async fn revoke_key(&self, id: KeyId, at: Timestamp) -> Result<Option<ApiKey>> {
        self.db
            .within(async {
                let mut transaction = self.db.begin().await?;
                let row = sqlx::query(
                    "update api_keys set revoked_at = coalesce(revoked_at, $2) where id = $1 \
                     returning id, name, role, secret_hash, created_at, expires_at, \
                               last_used_at, revoked_at",
                )
                .bind(id.to_string())
                .bind(at.to_utc())
                .fetch_optional(&mut *transaction)
                .await
                .map_err(translate)?;
                let revoked = row.as_ref().map(key).transpose()?;
                self.conclude(&mut transaction, &revoked).await?;
                transaction.commit().await.map_err(translate)?;
                Ok(revoked)
            })
            .await
    }

    async fn touch_keys(&self, uses: Vec<(KeyId, Timestamp)>) -> Result<()> {
        let (ids, used_at): (Vec<_>, Vec<_>) =
            uses.into_iter().map(|(id, used_at)| (id.to_string(), used_at.to_utc())).unzip();
        self.db
            .within(async {
                // Locked by id, so that no two processes wait for each other.
                sqlx::query(
                    "with uses as materialized ( \
                         select id, max(at) as at from unnest($1::text[], $2::timestamptz[]) \
                           as given (id, at) group by id \
                     ), locked as materialized ( \
                         select id from api_keys where id in (select id from uses) \
                          order by id for update \
                     ) \
                     update api_keys set last_used_at = greatest(last_used_at, uses.at) \
                       from uses, locked where api_keys.id = uses.id and locked.id = uses.id",
                )
                .bind(ids)
                .bind(used_at)
                .execute(&self.db.pool)
                .await
                .map_err(translate)?;
                Ok(())
            })
            .await
    }

    async fn signing_secret(&self, proposed: [u8; 32]) -> Result<[u8; 32]> {
        self.db
            .within(async {
                sqlx::query(
                    "insert into signing_secret (secret) values ($1) on conflict do nothing",
                )
                .bind(proposed.to_vec())
                .execute(&self.db.pool)
                .await
                .map_err(translate)?;
                let kept: Vec<u8> = sqlx::query_scalar("select secret from signing_secret")
                    .fetch_one(&self.db.pool)
                    .await
                    .map_err(translate)?;
                kept.try_into().map_err(|_| corrupt("the signing secret has 32 bytes"))
            })
            .await
    }
}
