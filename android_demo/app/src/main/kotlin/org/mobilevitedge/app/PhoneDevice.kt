package org.mobilevitedge.app

import android.app.ActivityManager
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.media.AudioManager
import android.os.BatteryManager
import android.os.Build
import android.os.PowerManager
import android.os.Process
import java.io.File
import java.io.IOException
import java.text.SimpleDateFormat
import java.util.Date
import java.util.Locale
import java.util.TimeZone
import org.mobilevitedge.core.BenchDevice
import org.mobilevitedge.core.BenchHost
import org.mobilevitedge.core.DeviceState
import org.mobilevitedge.core.Interruptions
import org.mobilevitedge.core.Run
import org.mobilevitedge.core.Thermal
import org.mobilevitedge.core.ThreadStatus

/** This device, as seen by the thread that measures; [interruptions] is what screens have seen. */
class PhoneDevice(private val context: Context, private val interruptions: Interruptions) : BenchDevice {
    private val power = context.getSystemService(PowerManager::class.java)
    private val audio = context.getSystemService(AudioManager::class.java)

    override fun nanoTime(): Long = System.nanoTime()

    override fun utc(): String =
        SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss'Z'", Locale.ROOT).apply { timeZone = TimeZone.getTimeZone("UTC") }.format(Date())

    override fun affinity(): List<Int>? = status().cores

    override fun involuntarySwitches(): Long? = status().involuntarySwitches

    override fun sleep(milliseconds: Long) = Thread.sleep(milliseconds)

    override fun interruptions(): List<String> {
        if (audio.mode == AudioManager.MODE_IN_CALL || audio.mode == AudioManager.MODE_IN_COMMUNICATION) interruptions.once("a call was under way")
        return interruptions.take()
    }

    override fun state(): DeviceState {
        val battery = context.registerReceiver(null, IntentFilter(Intent.ACTION_BATTERY_CHANGED))
        val level = battery?.getIntExtra(BatteryManager.EXTRA_LEVEL, -1) ?: -1
        val scale = battery?.getIntExtra(BatteryManager.EXTRA_SCALE, 0) ?: 0
        return DeviceState(
            clockMhz = affinity()?.singleOrNull()?.let { number(it, "scaling_cur_freq") }?.let { it / KHZ_PER_MHZ },
            thermal = thermal(),
            batteryPercent = if (level in 0..scale && scale > 0) 100.0 * level / scale else null,
            charging = battery?.let { it.getIntExtra(BatteryManager.EXTRA_PLUGGED, 0) != 0 },
            lowPower = power.isPowerSaveMode,
        )
    }

    /** What reports say of the app and the device; [core]: the one that was asked for. */
    fun host(core: Int?): BenchHost {
        val memory = ActivityManager.MemoryInfo().also(context.getSystemService(ActivityManager::class.java)::getMemoryInfo)
        val emulator = Build.HARDWARE in EMULATORS || Build.FINGERPRINT.startsWith("generic")
        return BenchHost(
            appVersion = context.packageManager.getPackageInfo(context.packageName, 0).versionName.orEmpty(),
            device = Run.Device(
                emulator = emulator,
                name = "${Build.MANUFACTURER} ${Build.MODEL}",
                processor = "${Build.HARDWARE} ${Build.BOARD}",
                cores = Runtime.getRuntime().availableProcessors(),
                memoryBytes = memory.totalMem,
                system = Build.VERSION.RELEASE,
            ),
            core = core,
        )
    }

    /** The last of the fastest cores; null where the system does not tell. */
    fun bigCore(): Int? = cores().mapNotNull { core -> number(core, "cpuinfo_max_freq")?.let { Pair(core, it) } }
        .maxWithOrNull(compareBy({ it.second }, { it.first }))?.first

    /**
     * Keep the calling thread, and those that it starts, on one core. Android has no call for it, but a
     * command; whether the system let it is seen in [affinity].
     */
    fun pin(core: Int) {
        try {
            val command = listOf("taskset", "-p", (1L shl core).toString(16), Process.myTid().toString())
            val process = ProcessBuilder(command).redirectErrorStream(true).start()
            process.outputStream.close()
            process.inputStream.use { it.readBytes() }
            process.waitFor()
        } catch (error: IOException) {
            // There is no such command on this device: the report says that the core was not given.
        }
    }

    private fun status(): ThreadStatus =
        try {
            ThreadStatus.parse(File("/proc/self/task/${Process.myTid()}/status").readText())
        } catch (error: IOException) {
            ThreadStatus(null, null)
        }

    private fun cores(): List<Int> =
        File(CPUS).list().orEmpty().mapNotNull { Regex("cpu([0-9]+)").matchEntire(it)?.groupValues?.get(1)?.toInt() }

    private fun number(core: Int, file: String): Double? =
        try {
            File("$CPUS/cpu$core/cpufreq/$file").readText().trim().toDoubleOrNull()?.takeIf { it > 0 }
        } catch (error: IOException) {
            null
        }

    /** Of Android 10 and later. */
    private fun thermal(): Thermal? {
        if (Build.VERSION.SDK_INT < THERMAL_SINCE) return null
        // By name: the app compiles against older versions too.
        val status = PowerManager::class.java.getMethod("getCurrentThermalStatus").invoke(power) as Int
        return Thermal.entries.getOrNull(status)
    }

    private companion object {
        const val CPUS = "/sys/devices/system/cpu"
        const val KHZ_PER_MHZ = 1000
        const val THERMAL_SINCE = 29
        val EMULATORS = setOf("goldfish", "ranchu")
    }
}
