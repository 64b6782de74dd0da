# What an RT of our own needs; its folder and port come by the environment.
Set($rtname, 'fairhaven');
Set($Organization, 'fairhaven.example');
Set($DatabaseType, 'SQLite');
Set($DatabaseName, "$ENV{RT_FOLDER}/rt.sqlite");
Set($WebDomain, '127.0.0.1');
Set($WebPort, $ENV{RT_PORT});
Set($WebPath, '');
Set($MailCommand, 'mbox');
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'warning');
Set($Timezone, 'Asia/Tokyo');    # no answer may depend on it
Set($BcryptCost, 4);             # each request proves its token; the default would be most of a test's time
$RT::VarPath         = $ENV{RT_FOLDER};
$RT::MasonDataDir    = "$ENV{RT_FOLDER}/pages";
$RT::MasonSessionDir = "$ENV{RT_FOLDER}/sessions";
1;
