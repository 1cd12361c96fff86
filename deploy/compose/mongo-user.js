// Run once by the image, while the database is made: the user of API and workers, with rights on their database alone.
const password = require("fs").readFileSync("/run/credentials/mongo_password", "utf8").trim();
db.getSiblingDB("parascribe").createUser({
  user: "parascribe",
  pwd: password,
  roles: [{ role: "readWrite", db: "parascribe" }],
});
