# Installs the ThatDAM agent on Windows:
#   & ([scriptblock]::Create((irm @BASE_URL@/install.ps1))) -Token td1…
# Served by your ThatDAM cloud app, which fills in its address and the checksums of the archives that it built.
# As administrator: for the whole machine, started with it. Else: for you, started when you sign in.
# Windows PowerShell 5.1 and newer. Everything is in functions: a download that was cut short does nothing.
param(
  [string]$Token = $env:THATDAM_TOKEN,
  [string]$Dir,                 # app and state below this folder: a second installation with its own identity and port
  [string]$Index,               # folders to index, "D:\Footage;E:\Projects"
  [string]$AllowIndex,          # folders within which the cloud page may choose folders to index
  [int]$Port = 0,
  [switch]$Adopt,               # go into the first ring near whose owner lets this machine in: nobody has to compare six digits on it
  [switch]$NoStart,
  [switch]$Yes,                 # install ffmpeg too when it is missing
  [switch]$Uninstall,
  [switch]$Purge                # with -Uninstall: remove the state too; media is never removed
)

# Heard by everything but the cmdlets for tasks and the firewall, which look outside of this script: they are told one by one.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue' # the progress bar makes Invoke-WebRequest ten times slower
[Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12

$BaseUrl = '@BASE_URL@'
$Checksums = @'
@CHECKSUMS@
'@

function Say([string]$Text) { Write-Host "thatdam: $Text" }
# Thrown, so that a session in which the script was pasted stays open; the last lines turn it into an exit code.
function Stop-WithSentence([string]$Text) { throw "thatdam: $Text" }

# A scanner reads what is new, and a program that was just ended holds its files for a moment longer: then it is tried again, for ten seconds.
function Invoke-Patiently([scriptblock]$Work) {
  $giveUp = (Get-Date).AddSeconds(10)
  while ($true) {
    try { & $Work; return }
    catch {
      if ((Get-Date) -gt $giveUp) { throw }
      Start-Sleep -Milliseconds 250
    }
  }
}

function Get-Places {
  $principal = New-Object Security.Principal.WindowsPrincipal([Security.Principal.WindowsIdentity]::GetCurrent())
  $admin = $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
  if ($Dir) {
    $base = [IO.Path]::GetFullPath($Dir)
    $sha = [Security.Cryptography.SHA256]::Create()
    $hash = [BitConverter]::ToString($sha.ComputeHash([Text.Encoding]::UTF8.GetBytes($base.ToLowerInvariant()))).Replace('-', '').Substring(0, 8)
    return @{ App = "$base\app"; State = "$base\state"; Task = "ThatDAM $hash"; Admin = $admin; Base = $base }
  }
  if ($admin) { return @{ App = "$env:ProgramFiles\ThatDAM"; State = "$env:ProgramData\ThatDAM"; Task = 'ThatDAM'; Admin = $true; Base = $null } }
  return @{ App = "$env:LOCALAPPDATA\Programs\ThatDAM"; State = "$env:LOCALAPPDATA\ThatDAM"; Task = "ThatDAM $env:USERNAME"; Admin = $false; Base = $null }
}

function Get-Archive {
  if (-not [Environment]::Is64BitOperatingSystem) { Stop-WithSentence 'ThatDAM needs a 64-bit Windows; this one has 32 bits.' }
  # x64 programs run on Windows for ARM as well.
  $line = $Checksums -split "`r?`n" | Where-Object { $_ -like 'win32-x64 *' } | Select-Object -First 1
  if (-not $line) { Stop-WithSentence "$BaseUrl has no agent for Windows. An archive is built on a machine of its own platform: see the README there." }
  $parts = $line.Trim() -split ' '
  return @{ Sha256 = $parts[1]; File = $parts[2]; Version = ($parts[2] -replace '^thatdam-agent-', '' -replace '-win32-x64\.tar\.gz$', '') }
}

# As administrator the system's own account runs what lies below -Dir: others may read it, and change nothing. Program Files is like that anyway.
function Protect-Folders($Places) {
  if (-not $Places.Admin -or -not $Places.Base) { return }
  New-Item -ItemType Directory -Force -Path $Places.App | Out-Null
  $folders = @($Places.App)
  # A folder in which somebody keeps other things stays as it is.
  if (Get-ChildItem -Force -LiteralPath $Places.Base | Where-Object { $_.Name -notin @('app', 'state') }) { Say "other things lie in $($Places.Base), so its rights stay as they are. Who may rename it can change what runs: a folder of its own is safer." }
  else { $folders = @($Places.Base, $Places.App) }
  foreach ($folder in $folders) {
    & icacls.exe $folder /setowner '*S-1-5-32-544' | Out-Null
    & icacls.exe $folder /inheritance:r /grant:r '*S-1-5-32-544:(OI)(CI)F' /grant:r '*S-1-5-18:(OI)(CI)F' /grant:r '*S-1-5-32-545:(OI)(CI)RX' | Out-Null
    if ($LASTEXITCODE -ne 0) { Say "the rights of $folder could not be set: who may write there can change what the system's account runs. A disk with NTFS is safer." }
    # What was given to everybody who is signed in, or to everybody, by name.
    & icacls.exe $folder /remove:g '*S-1-5-11' '*S-1-1-0' | Out-Null
  }
}

# A release folder is whole or not there.
function Install-Release($Places, $Archive) {
  $release = "$($Places.App)\releases\$($Archive.Version)"
  if (Test-Path -LiteralPath "$release\bin\thatdam.cmd") { Say "version $($Archive.Version) is already here"; return $release }
  New-Item -ItemType Directory -Force -Path "$($Places.App)\releases" | Out-Null
  $drive = New-Object IO.DriveInfo ([IO.Path]::GetPathRoot($Places.App))
  if ($drive.AvailableFreeSpace -lt 500MB) { Stop-WithSentence "there are only $([int]($drive.AvailableFreeSpace / 1MB)) MB free on $($drive.Name), and 500 MB are needed. Free some space, or choose another disk with -Dir." }
  $draft = "$($Places.App)\releases\.draft-$PID"
  New-Item -ItemType Directory -Force -Path "$draft\release" | Out-Null
  try {
    Say "fetching $($Archive.File)"
    try { Invoke-WebRequest -UseBasicParsing -Uri "$BaseUrl/releases/$($Archive.File)" -OutFile "$draft\archive" }
    catch { Stop-WithSentence "fetching $BaseUrl/releases/$($Archive.File) failed ($($_.Exception.Message)). Is the address reachable from this machine?" }
    $found = (Get-FileHash -Algorithm SHA256 -LiteralPath "$draft\archive").Hash.ToLowerInvariant()
    if ($found -ne $Archive.Sha256) { Stop-WithSentence "the archive's checksum is wrong (got $found, expected $($Archive.Sha256)): nothing was installed. Run the command again." }
    # Windows has had tar since 2018.
    & "$env:SystemRoot\System32\tar.exe" -xzf "$draft\archive" -C "$draft\release"
    if ($LASTEXITCODE -ne 0) { Stop-WithSentence "unpacking into $($Places.App) failed. Is the disk full?" }
    Invoke-Patiently { Move-Item -LiteralPath "$draft\release" -Destination $release }
  }
  finally { Remove-Item -Recurse -Force -LiteralPath $draft -ErrorAction SilentlyContinue }
  Say "version $($Archive.Version) is in $release"
  return $release
}

# In a cmd file, % is doubled; the console's code page must be UTF-8 for other letters.
function Get-CmdText([string]$Text) { return $Text.Replace('%', '%%') }

# thatdam.cmd in the app's folder: this installation's agent with its settings. The release before stays, older ones go.
function Write-Launcher($Places, $Release) {
  $launcher = "$($Places.App)\thatdam.cmd"
  $kept = @{}
  if (Test-Path -LiteralPath $launcher) {
    foreach ($line in [IO.File]::ReadAllLines($launcher)) {
      # Also what somebody wrote there by hand.
      if ($line -match '^set "([A-Z][A-Z0-9_]*)=(.*)"$' -and $Matches[1] -ne 'STATE_DIR') { $kept[$Matches[1]] = $Matches[2] }
      if ($line -match '\\releases\\([^\\"]+)\\bin\\thatdam\.cmd') { $previous = $Matches[1] }
    }
  }
  if ($Adopt) { $kept['ADOPT'] = 1 }
  if ($Index) { $kept['INDEX_PATHS'] = Get-CmdText $Index }
  if ($Port -gt 0) { $kept['SERVICE_PORT'] = $Port }
  elseif ($Dir -and -not $kept['SERVICE_PORT']) { $kept['SERVICE_PORT'] = Get-FreePort }
  $lines = @('@echo off', 'setlocal', 'chcp 65001 >nul', "set `"STATE_DIR=$(Get-CmdText $Places.State)`"")
  foreach ($name in $kept.Keys) { $lines += "set `"$name=$($kept[$name])`"" }
  $lines += "call `"$(Get-CmdText $Release)\bin\thatdam.cmd`" %*"
  [IO.File]::WriteAllLines($launcher, $lines, (New-Object Text.UTF8Encoding $false))
  $current = Split-Path -Leaf $Release
  Get-ChildItem -LiteralPath "$($Places.App)\releases" -Directory |
    Where-Object { $_.Name -ne $current -and $_.Name -ne $previous } |
    ForEach-Object { Remove-Item -Recurse -Force -LiteralPath $_.FullName -ErrorAction SilentlyContinue }
  return $launcher
}

function Get-FreePort {
  foreach ($candidate in 8080..8180) {
    $listener = New-Object Net.Sockets.TcpListener ([Net.IPAddress]::Any, $candidate)
    try { $listener.Start(); return $candidate } catch { continue } finally { $listener.Stop() }
  }
  Stop-WithSentence 'no free port between 8080 and 8180: give one with -Port.'
}

# Owner, administrators and the system only: the key lies there.
function New-StateFolder($Places) {
  if (Test-Path -LiteralPath $Places.State) { return }
  New-Item -ItemType Directory -Force -Path $Places.State | Out-Null
  & icacls.exe $Places.State /inheritance:r /grant '*S-1-5-32-544:(OI)(CI)F' /grant '*S-1-5-18:(OI)(CI)F' /grant "$([Security.Principal.WindowsIdentity]::GetCurrent().Name):(OI)(CI)F" | Out-Null
}

# The token goes through standard input: it never stands in a process list.
function Register-Machine($Places, $Launcher) {
  $credential = "$($Places.State)\credential.json"
  if ((Test-Path -LiteralPath $credential) -and [IO.File]::ReadAllText($credential).Contains("`"$BaseUrl`"")) { Say "this machine is already registered with $BaseUrl"; return }
  if (-not $Token) {
    if (Test-Path -LiteralPath $credential) { return }
    if ($Adopt) { Say "no token given: this machine waits to be let into a ring near. Do it in that ring's console, under Nodes." }
    else { Say "no token given: this machine runs by itself. To register it later: & '$Launcher' register --url $BaseUrl" }
    return
  }
  $arguments = @('register', '--starts-next', '--token', '-', '--url', $BaseUrl)
  foreach ($folder in ($AllowIndex -split ';' | Where-Object { $_ })) { $arguments += @('--allow-index', $folder) }
  $Token | & $Launcher @arguments
  if ($LASTEXITCODE -ne 0) { Stop-WithSentence 'registering failed; the reason is above. Make a new token on the Add machine page and run the command again.' }
}

# A scheduled task: at start-up as the system for an administrator, else when this person signs in. Windows starts a task again when it could
# not be started, but not when it ended, with whatever code: so it is asked for each minute, and a second one beside the first is never started.
function Start-Agent($Places, $Launcher) {
  # conhost --headless: no console window on the desktop. It splits this line into words and puts quotes around those with a blank, so that
  # each word has to stand by itself; cmd takes away the outer quotes of what begins with one, and "call" begins with none.
  $action = New-ScheduledTaskAction -Execute "$env:SystemRoot\System32\conhost.exe" -Argument "--headless $env:SystemRoot\System32\cmd.exe /d /c call `"$Launcher`" run"
  # Priority 4: the usual 7 is below other programs in everything, also at the disk, and a camera's pictures are lost.
  $settings = New-ScheduledTaskSettingsSet -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries -StartWhenAvailable -ExecutionTimeLimit ([TimeSpan]::Zero) -MultipleInstances IgnoreNew -Priority 4 -Hidden
  if ($Places.Admin) {
    $trigger = New-ScheduledTaskTrigger -AtStartup
    $principal = New-ScheduledTaskPrincipal -UserId 'S-1-5-18' -LogonType ServiceAccount -RunLevel Highest
  }
  else {
    $me = [Security.Principal.WindowsIdentity]::GetCurrent().Name
    $trigger = New-ScheduledTaskTrigger -AtLogOn -User $me
    $principal = New-ScheduledTaskPrincipal -UserId $me -LogonType Interactive -RunLevel Limited
  }
  $eachMinute = New-ScheduledTaskTrigger -Once -At (Get-Date) -RepetitionInterval (New-TimeSpan -Minutes 1)
  Register-ScheduledTask -Force -TaskName $Places.Task -Action $action -Trigger @($trigger, $eachMinute) -Principal $principal -Settings $settings -Description 'ThatDAM agent' -ErrorAction Stop | Out-Null
  Start-ScheduledTask -TaskName $Places.Task -ErrorAction Stop
}

# Only programs that run from this installation are ended: its agent with its services, and its database, which outlives them and would hold its
# folder. Tells whether an agent ran.
function Stop-Agent($Places) {
  $ran = (Get-ScheduledTask -TaskName $Places.Task -ErrorAction SilentlyContinue).State -eq 'Running'
  # Else it is started again within the minute. Registering it anew enables it.
  Disable-ScheduledTask -TaskName $Places.Task -ErrorAction SilentlyContinue | Out-Null
  Stop-ScheduledTask -TaskName $Places.Task -ErrorAction SilentlyContinue
  $roots = @("$($Places.App)\releases\", "$($Places.State)\bundles\")
  $deadline = (Get-Date).AddSeconds(20)
  do {
    $ours = @(Get-Process -Name node, postgres -ErrorAction SilentlyContinue | Where-Object {
      $file = $_.Path
      $file -and ($roots | Where-Object { $file.StartsWith($_, [StringComparison]::OrdinalIgnoreCase) })
    })
    $ours | Stop-Process -Force -ErrorAction SilentlyContinue
    if ($ours | Where-Object { $_.ProcessName -eq 'node' }) { $ran = $true }
    if ($ours.Count -gt 0) { Start-Sleep -Milliseconds 250 }
  } while ($ours.Count -gt 0 -and (Get-Date) -lt $deadline)
  return $ran
}

function Install-Ffmpeg($Places) {
  $found = Get-Command ffmpeg.exe -ErrorAction SilentlyContinue | Select-Object -First 1
  # What is installed for one person is nothing to the system's account, as which an administrator's agent runs.
  $scope = 'user'
  if ($Places.Admin) { $scope = 'machine' }
  if ($found -and $Places.Admin -and $found.Source.StartsWith("$env:USERPROFILE\", [StringComparison]::OrdinalIgnoreCase)) { $found = $null }
  if ($env:FFMPEG_PATH -or $found) { return }
  $how = "winget install --id Gyan.FFmpeg -e --scope $scope"
  if ($Yes -and (Get-Command winget.exe -ErrorAction SilentlyContinue)) {
    Say "installing ffmpeg: $how"
    & winget.exe install --id Gyan.FFmpeg -e --scope $scope --accept-package-agreements --accept-source-agreements --disable-interactivity | Out-Null
    if ($LASTEXITCODE -eq 0) { return }
    Say 'that failed.'
  }
  Say "ffmpeg is missing: cameras and video previews wait for it. Install it with:  $how"
}

# Other machines come in to this release's Node alone, in networks that are not public. The rule of a release before goes.
function Open-Firewall($Places, $Release) {
  if (-not $Places.Admin) { return }
  Close-Firewall $Places
  try { New-NetFirewallRule -DisplayName $Places.Task -Direction Inbound -Action Allow -Program "$Release\bin\node.exe" -Profile Private, Domain -ErrorAction Stop | Out-Null }
  catch { Say "the firewall could not be opened for this machine's ring ($($_.Exception.Message)). What to do about it:  & '$($Places.App)\thatdam.cmd' doctor" }
}

function Close-Firewall($Places) {
  if (-not $Places.Admin) { return }
  try { Get-NetFirewallRule -DisplayName $Places.Task -ErrorAction SilentlyContinue | Remove-NetFirewallRule -ErrorAction Stop }
  catch { Say "the firewall's rule `"$($Places.Task)`" could not be removed ($($_.Exception.Message))." }
}

function Uninstall-Agent($Places) {
  Stop-Agent $Places | Out-Null
  Unregister-ScheduledTask -TaskName $Places.Task -Confirm:$false -ErrorAction SilentlyContinue
  Close-Firewall $Places
  Invoke-Patiently { if (Test-Path -LiteralPath $Places.App) { Remove-Item -Recurse -Force -LiteralPath $Places.App } }
  if ($Purge -and (Test-Path -LiteralPath $Places.State)) {
    # All of the state but what may be somebody's only copy.
    Invoke-Patiently { Get-ChildItem -Force -LiteralPath $Places.State | Where-Object { $_.Name -notin @('store', 'captures') } | ForEach-Object { Remove-Item -Recurse -Force -LiteralPath $_.FullName } }
    if (-not (Get-ChildItem -Force -Recurse -File -LiteralPath $Places.State | Where-Object { $_.Name -ne '.thatdam' })) { Remove-Item -Recurse -Force -LiteralPath $Places.State }
  }
  Say 'the app and its task are removed.'
  if (Test-Path -LiteralPath $Places.State) { Say "kept: $($Places.State)" }
  if (Test-Path -LiteralPath "$($Places.State)\store") { Say "kept: your recordings and uploads in $($Places.State)\store" }
  Say 'Indexed folders were never changed: your originals are where they were.'
}

function Install-Agent {
  $places = Get-Places
  if ($Uninstall) { Uninstall-Agent $places; return }
  $archive = Get-Archive
  Protect-Folders $places
  $release = Install-Release $places $archive
  $ran = Stop-Agent $places
  Open-Firewall $places $release
  try {
    New-StateFolder $places
    $launcher = Write-Launcher $places $release
    Register-Machine $places $launcher
  }
  catch {
    # What ran here before runs on: a wrong token must not stop anybody's recording.
    if ($ran) {
      Start-Agent $places "$($places.App)\thatdam.cmd"
      Say "the agent that was here runs on as it was (scheduled task $($places.Task))."
    }
    throw
  }
  Install-Ffmpeg $places
  if ($NoStart) { Say "installed, not started. Start it with:  & '$launcher' run"; return }
  Start-Agent $places $launcher
  Say "ThatDAM $($archive.Version) runs (scheduled task $($places.Task))."
  Say "See how it is with:  & '$launcher' status"
}

try { Install-Agent }
catch {
  [Console]::Error.WriteLine($_.Exception.Message)
  # As a file or with -File: an exit code. Pasted into a session: the session stays.
  if ($MyInvocation.MyCommand.Path) { exit 1 }
  $global:LASTEXITCODE = 1
}
