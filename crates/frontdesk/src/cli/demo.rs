//! `frontdesk demo`: the whole job on embedded defaults, with two demo tenants and a generated key.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use frontdesk_core::clock::{Clock, Dice};
use frontdesk_core::ids::random_text;
use frontdesk_core::policy;
use frontdesk_core::sensitive::Secret;
use frontdesk_core::tenant::Tenant;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;

use super::serve::{bind, serve};
use super::{CommandError, Context};
use crate::config::deployment::{DeploymentConfig, StoreUrl};
use crate::config::secrets::SecretSource;
use crate::config::tenant_file::TenantFile;
use crate::serving::Origin;
use crate::wiring::{World, build};

/// A German salon and an English practice, on the built-in calendar.
const TENANTS: [(&str, &str); 2] = [
    ("demo/salon.toml", include_str!("../../demo/salon.toml")),
    ("demo/practice.toml", include_str!("../../demo/practice.toml")),
];

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Keep the data here; a temporary folder, removed at the end, if not given.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

pub(super) async fn run(context: &mut Context, options: Options) -> Result<ExitCode, CommandError> {
    let world = World::real();
    let listener = bind(options.listen).await?;
    let address = listener.local_addr()?;
    let (folder, temporary) = match options.data {
        Some(folder) => (folder, false),
        None => (std::env::temp_dir().join(format!("frontdesk-demo-{}", random_text(&*world.dice))), true),
    };
    let mut config = DeploymentConfig::default();
    config.server.listen = address;
    config.server.public_url = format!("http://{address}");
    config.server.admin_key = None;
    config.store = StoreUrl::Sqlite(folder.join("frontdesk.db"));
    config.master_key = SecretSource::File(folder.join("master.key"));
    let house = build(&config, &world).await?;

    let key = key_of(&house.store, &*world.dice).await?;
    let mut tenants = Vec::new();
    for (file, text) in TENANTS {
        let mut tenant = TenantFile::parse(file, text)?.tenant;
        tenant.secrets.retell_api_key = Some(key.clone());
        tenants.push(tenant);
    }
    let applied = house.store.apply_tenants(&tenants, "demo", false, world.clock.now()).await?;
    house.refresh().await?;

    let day = next_open_day(&tenants, &*world.clock);
    if context.json {
        context.out.json(&json!({
            "url": config.server.public_url,
            "tenants": ["salon", "practice"],
            "retell_api_key": key.expose(),
            "rest_keys": applied.iter().filter_map(|it| Some(json!({ "tenant": it.tenant, "key": it.key.as_ref()?.key.expose() }))).collect::<Vec<_>>(),
            "day": day.to_string(),
        }))?;
    } else {
        for line in welcome(&config.server.public_url, &key, day, &folder).lines() {
            context.out.line(line)?;
        }
        for it in &applied {
            if let Some(issued) = &it.key {
                context.out.line(&format!("# REST key of {}: {}", it.tenant, issued.key.expose()))?;
            }
        }
    }
    let code = serve(house, listener, Origin::Own, None, None).await?;
    if temporary {
        // Nobody needs a demo's data; failing to remove it harms nobody either.
        let _ = std::fs::remove_dir_all(&folder);
    }
    Ok(code)
}

/// The key of an earlier demo in the same folder, or a new one.
async fn key_of(store: &frontdesk_store::Store, dice: &dyn Dice) -> Result<Secret, CommandError> {
    let tenants = store.tenants().await?;
    let known = tenants.iter().find_map(|tenant| tenant.secrets.retell_api_key.clone());
    Ok(known.unwrap_or_else(|| Secret::new(format!("key_demo_{}", random_text(dice)))))
}

/// The next day, from tomorrow on, on which all demo tenants are open all afternoon, whatever holidays
/// there are.
fn next_open_day(tenants: &[Tenant], clock: &dyn Clock) -> Date {
    let is_open = |tenant: &Tenant, date: Date| {
        let afternoon = |hour: i8| date.at(hour, 0, 0, 0).to_zoned_datetime(tenant.zone().clone()).map(|at| at.timestamp());
        let Ok((from, to)) = afternoon(14).and_then(|from| Ok((from, afternoon(17)?))) else { return false };
        policy::day_info(tenant, date).is_some_and(|day| day.open.iter().any(|(open, close)| *open <= from && to <= *close))
    };
    let tomorrow = clock.now().to_zoned_datetime(TimeZone::UTC).date().saturating_add(1.day());
    let days = std::iter::successors(Some(tomorrow), |day| day.tomorrow().ok());
    days.take(30).find(|day| tenants.iter().all(|tenant| is_open(tenant, *day))).unwrap_or(tomorrow)
}

fn welcome(url: &str, key: &Secret, day: Date, folder: &std::path::Path) -> String {
    format!(
        r#"# frontdesk demo: a German salon and an English practice, built-in calendar, data in {folder}
# Paste this into another terminal. It signs each request when it is sent, as the voice platform does.

URL={url}
KEY={key}
CALL=demo-$(date +%s)
call() {{ # tenant, function, arguments
  BODY='{{"name":"'$2'","args":'$3',"call":{{"call_id":"'$CALL'","from_number":"+4915123456789"}}}}'
  TS=$(date +%s)000
  SIG=$(printf '%s%s' "$BODY" "$TS" | openssl dgst -sha256 -hmac "$KEY" -r | cut -d' ' -f1)
  curl -s "$URL/api/t/$1/retell/functions" -H 'Content-Type: application/json' -H "X-Retell-Signature: v=$TS,d=$SIG" -d "$BODY"
  echo
}}

# 1. Is it free? The answer is "available", and the slot is held for this call.
ANSWER=$(call salon check_availability '{{"service":"Herrenhaarschnitt","date":"{day}","time":"14 Uhr"}}')
echo "$ANSWER"
# 2. Book it.
SLOT=$(echo "$ANSWER" | sed 's/.*"slot_id":"\([^"]*\)".*/\1/')
call salon book_appointment '{{"slot_id":"'$SLOT'","name":"Ada Byron"}}'
# 3. What do I have? Then move it, then give it up; without confirm each asks first, and the same again is the yes.
call salon find_appointments '{{}}'
call salon reschedule_appointment '{{"new_time":"16 Uhr","confirm":true}}'
call salon cancel_appointment '{{"confirm":true}}'
# In English: call practice check_availability '{{"service":"checkup","date":"{day}","time":"half past two"}}'
# Health: curl -s $URL/api/health     What there is: $URL/docs

"#,
        folder = folder.display(),
        key = key.expose(),
    )
}
