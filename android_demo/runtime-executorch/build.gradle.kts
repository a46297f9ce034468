plugins {
    alias(libs.plugins.android.library)
}

android {
    namespace = "org.mobilevitedge.executorch"
    compileSdk = libs.versions.compileSdk.get().toInt()
    defaultConfig {
        minSdk = libs.versions.minSdk.get().toInt()
    }
}

kotlin {
    jvmToolchain(17)
}

dependencies {
    api(project(":core"))
    implementation(libs.executorch)
}
