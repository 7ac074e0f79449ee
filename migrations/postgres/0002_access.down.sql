drop table audit_head, audit, signing_secret, api_keys;
